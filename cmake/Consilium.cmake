# The project's own build rules: one warning level, and one way each to declare a library, a program, a test and a fuzzer.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Uses the sloppiness settings that ccache requires for precompiled headers. CCACHE_BASEDIR lets two checkouts share objects.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE_PROGRAM})
endif()

add_library(consilium_options INTERFACE)
target_include_directories(consilium_options INTERFACE ${CMAKE_SOURCE_DIR})
# Floating-point contraction is off, because the fixed-point encoding must round identically on every machine.
target_compile_definitions(consilium_options INTERFACE CONSILIUM_VERSION="${PROJECT_VERSION}")
target_compile_options(consilium_options INTERFACE -Wall -Wextra -Wconversion $<$<BOOL:${CONSILIUM_WERROR}>:-Werror> -ffp-contract=off -fno-omit-frame-pointer)
# Symbols are bound when a program starts. Binding a symbol at its first call would save the vector registers on the stack, and with them
# any key that was copied last.
target_link_options(consilium_options INTERFACE -Wl,-z,relro,-z,now)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # At -O3, GCC warns of uninitialised parts of std::string and std::variant that don't exist (GCC bug 105562; in GCC 12 and 14), and GCC 12
  # also of overlapping strings (GCC bug 105651).
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(consilium_options INTERFACE -Wno-restrict)
  else()
    # At -O3, GCC 14 also claims an overflow when one vector is inserted into another. GCC 12 keeps that warning.
    target_compile_options(consilium_options INTERFACE -Wno-stringop-overflow)
  endif()
  target_compile_options(consilium_options INTERFACE -Wno-maybe-uninitialized)
endif()
if(CONSILIUM_SANITIZE)
  add_compile_options(-fsanitize=${CONSILIUM_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CONSILIUM_SANITIZE})
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
  # Sanitized programs are large, and lld links them several times as fast.
  string(REGEX MATCH "^[0-9]+" clang_version ${CMAKE_CXX_COMPILER_VERSION})
  find_program(LLD_PROGRAM NAMES ld.lld-${clang_version} ld.lld)
  if(LLD_PROGRAM)
    add_link_options(--ld-path=${LLD_PROGRAM})
  endif()
endif()
if(CONSILIUM_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# consilium_in_batches(TARGET): compiles several sources of the target at once, so that the headers they share are read once.
function(consilium_in_batches name)
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${CONSILIUM_BATCHES} UNITY_BUILD_BATCH_SIZE 8)
  if(CONSILIUM_BATCHES AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # GCC treats a source that another one includes as a header.
    target_compile_options(${name} PRIVATE -Wno-subobject-linkage)
  endif()
endfunction()

# consilium_library(NAME [APART] [FAST] SOURCES a.cpp ... LINK targets...): a static library under our warning level. Without sources it is
# header-only. Its sources are compiled in batches, so the names in their anonymous namespaces must differ. APART compiles each source by
# itself, for code in which the compiler's output for each function matters. FAST is for libraries in whose code tests spend their time.
# Both kinds are optimised in a debug build, too.
function(consilium_library name)
  cmake_parse_arguments(ARG "APART;FAST" "" "SOURCES;LINK;PRIVATE_LINK" ${ARGN})
  if(ARG_SOURCES)
    add_library(${name} STATIC ${ARG_SOURCES})
    if(NOT ARG_APART)
      consilium_in_batches(${name})
    endif()
    if(ARG_APART OR ARG_FAST)
      target_compile_options(${name} PRIVATE $<$<CONFIG:Debug>:-O1>)
    endif()
    target_link_libraries(${name} PUBLIC ${ARG_LINK} PRIVATE $<BUILD_INTERFACE:consilium_options> ${ARG_PRIVATE_LINK})
    target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>)
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${ARG_LINK})
    target_include_directories(${name} INTERFACE ${CMAKE_SOURCE_DIR})
  endif()
endfunction()

# consilium_program(NAME SOURCES ... LINK ...): an executable in build/<preset>/bin.
function(consilium_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE consilium_options ${ARG_LINK})
endfunction()

# consilium_test(NAME [LONG] LABEL unit|contract SOURCES ... [SEPARATE ...] LINK ...): a Catch2 program whose test cases are registered with
# ctest. LONG means that some of its cases take tens of seconds under a sanitizer, so ctest starts all of them first. Its own sources are
# not optimised or instrumented for the fuzzers, and are compiled in batches except for the SEPARATE ones: otherwise Catch2's macros and
# headers would make up half of a build.
function(consilium_test name)
  if(NOT CONSILIUM_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "LONG" "LABEL" "SOURCES;SEPARATE;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES} ${ARG_SEPARATE})
  consilium_in_batches(${name})
  if(ARG_SEPARATE)
    set_source_files_properties(${ARG_SEPARATE} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
  # Catch2 comes last: if the linker finds a template's code twice, it takes ours, which the sanitizer has instrumented.
  target_link_libraries(${name} PRIVATE consilium_options ${ARG_LINK} Catch2::Catch2WithMain)
  target_compile_options(${name} PRIVATE -O0)
  if(CONSILIUM_FUZZ)
    target_compile_options(${name} PRIVATE -fno-sanitize=fuzzer-no-link)
  endif()
  target_compile_definitions(${name} PRIVATE CONSILIUM_SOURCE_DIR="${CMAKE_SOURCE_DIR}" CONSILIUM_BIN_DIR="${CMAKE_BINARY_DIR}/bin")
  set(cost 1)
  if(ARG_LONG)
    set(cost 100)
  endif()
  catch_discover_tests(${name} TEST_PREFIX "${name}: " PROPERTIES LABELS ${ARG_LABEL} TIMEOUT 300 COST ${cost})
endfunction()

# consilium_fuzzer(NAME SOURCES fuzz.cpp LINK ...): a libFuzzer program, bin/fuzz_NAME.
function(consilium_fuzzer name)
  if(NOT CONSILIUM_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(fuzz_${name} ${ARG_SOURCES})
  target_link_libraries(fuzz_${name} PRIVATE consilium_options ${ARG_LINK})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  if(NOT TARGET fuzzers)
    add_custom_target(fuzzers)
  endif()
  add_dependencies(fuzzers fuzz_${name})
endfunction()

# $<LINK_LIBRARY:KEPT,lib,...> links libraries that a program needs although it calls nothing in them by name. Some toolchains omit such
# libraries (--as-needed). Writing the flags beside the libraries wouldn't work, because CMake keeps only one copy of a flag that occurs
# twice.
set(CMAKE_CXX_LINK_LIBRARY_USING_KEPT_SUPPORTED TRUE)
set(CMAKE_CXX_LINK_LIBRARY_USING_KEPT "LINKER:--push-state,--no-as-needed" "<LINK_ITEM>" "LINKER:--pop-state")
