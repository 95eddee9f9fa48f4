# Finds LibTorch by its headers and libraries: target LibTorch::LibTorch. LibTorch's own CMake files are not used, because those of a CUDA
# build require the CUDA toolkit with every one of its libraries. The trainer calls only ATen, so headers and shared libraries are enough.
# They may also be inside a Python installation of PyTorch, on a server that has the driver and nothing else of CUDA (docs/adr/0028).
#
# Searches LIBTORCH (-DLIBTORCH=DIR: an unpacked LibTorch, or site-packages/torch) if it is set. Otherwise searches the folder that
# scripts/setup recorded, then the wheel in build/venv, then CMAKE_PREFIX_PATH.
set(LIBTORCH "" CACHE PATH "Folder of LibTorch, with include/ and lib/; empty: what scripts/setup installed")
set(LibTorch_candidates ${LIBTORCH})
if(NOT LIBTORCH)
  if(EXISTS ${CMAKE_SOURCE_DIR}/build/libtorch.path)
    file(STRINGS ${CMAKE_SOURCE_DIR}/build/libtorch.path LibTorch_noted LIMIT_COUNT 1)
    list(APPEND LibTorch_candidates ${LibTorch_noted})
  endif()
  file(GLOB LibTorch_wheel ${CMAKE_SOURCE_DIR}/build/venv/lib/python3*/site-packages/torch)
  list(APPEND LibTorch_candidates ${LibTorch_wheel} ${CMAKE_PREFIX_PATH})
endif()
set(LibTorch_ROOT_DIR)
foreach(candidate IN LISTS LibTorch_candidates)
  if(EXISTS ${candidate}/include/ATen/ATen.h AND EXISTS ${candidate}/lib/libtorch_cpu.so)
    set(LibTorch_ROOT_DIR ${candidate})
    break()
  endif()
endforeach()

# The version comes from the headers, the C++ ABI from LibTorch's CMake file (which names none if only the new one exists).
set(LibTorch_VERSION)
set(LibTorch_OLD_ABI OFF)
foreach(header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
  if(NOT LibTorch_VERSION AND EXISTS "${LibTorch_ROOT_DIR}/include/${header}")
    file(STRINGS "${LibTorch_ROOT_DIR}/include/${header}" line REGEX "define TORCH_VERSION_M(AJOR|INOR) ")
    if(line MATCHES "MAJOR ([0-9]+).*MINOR ([0-9]+)")
      set(LibTorch_VERSION ${CMAKE_MATCH_1}.${CMAKE_MATCH_2})
    endif()
  endif()
endforeach()
set(config "${LibTorch_ROOT_DIR}/share/cmake/Torch/TorchConfig.cmake")
if(LibTorch_ROOT_DIR AND EXISTS ${config})
  file(STRINGS ${config} line REGEX "_GLIBCXX_USE_CXX11_ABI=0")
  if(line)
    set(LibTorch_OLD_ABI ON)
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  LibTorch REQUIRED_VARS LibTorch_ROOT_DIR VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "run scripts/setup, or name one with -DLIBTORCH=DIR, or build without the trainer (-DCONSILIUM_TRAINER=OFF)")
if(LibTorch_OLD_ABI)
  message(FATAL_ERROR "The LibTorch in ${LibTorch_ROOT_DIR} was built with the old C++ ABI (_GLIBCXX_USE_CXX11_ABI=0), as PyTorch's wheels were "
                      "before 2.7; spdlog, fmt and yaml-cpp have the new one. Take a newer PyTorch, or a LibTorch archive named cxx11-abi")
endif()

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  set(LibTorch_LIBRARIES)
  foreach(name torch torch_cpu c10 torch_cuda c10_cuda)
    if(EXISTS ${LibTorch_ROOT_DIR}/lib/lib${name}.so)
      list(APPEND LibTorch_LIBRARIES ${LibTorch_ROOT_DIR}/lib/lib${name}.so)
    endif()
  endforeach()
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  set_target_properties(LibTorch::LibTorch PROPERTIES INTERFACE_INCLUDE_DIRECTORIES
                        "${LibTorch_ROOT_DIR}/include;${LibTorch_ROOT_DIR}/include/torch/csrc/api/include")
  # No program calls torch_cuda by name: it registers itself when it is loaded, so it must be linked anyway. The libraries that it needs in
  # turn (cuBLAS, cuDNN, ...) are found when the program starts. libstdc++ must come before it, because PyTorch's wheels export a
  # std::filesystem of their own, from an older compiler, and a single call of that one crashes.
  list(JOIN LibTorch_LIBRARIES "," LibTorch_kept)
  target_link_libraries(LibTorch::LibTorch INTERFACE "$<LINK_LIBRARY:KEPT,stdc++,${LibTorch_kept}>")
  target_link_options(LibTorch::LibTorch INTERFACE -Wl,--allow-shlib-undefined)
  # at::parallel_for() in our own sources runs on one thread if they are compiled without OpenMP. Its threads are LibTorch's, so the OpenMP
  # library beside LibTorch is linked, and not a second one.
  file(GLOB LibTorch_OPENMP ${LibTorch_ROOT_DIR}/lib/libgomp*.so*)
  if(LibTorch_OPENMP)
    list(GET LibTorch_OPENMP 0 LibTorch_OPENMP)
  else()
    set(LibTorch_OPENMP gomp)
  endif()
  target_compile_options(LibTorch::LibTorch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
  target_link_libraries(LibTorch::LibTorch INTERFACE ${LibTorch_OPENMP})
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
    # In LibTorch's headers GCC 14 sees copies beyond the end of a std::vector<bool>, where one is reserved that is empty.
    target_compile_options(LibTorch::LibTorch INTERFACE -Wno-array-bounds)
  endif()
endif()
