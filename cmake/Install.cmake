# Defines what `cmake --install` installs: programs, example configurations, and the libraries that plug-ins are written against, with a
# package that find_package(Consilium) finds.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# LibTorch stays where it was during the build.
if(TARGET consilium-trainer)
  set_target_properties(consilium-trainer PROPERTIES INSTALL_RPATH "${LibTorch_ROOT_DIR}/lib")
endif()
install(TARGETS ${programs} RUNTIME)
install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/consilium)

# consilium_libraries_below(RESULT TARGET...): the targets and all of our own libraries that they are linked with. These are static, so a
# program that links one must also link the libraries that it depends on.
function(consilium_libraries_below result)
  set(found)
  set(waiting ${ARGN})
  while(waiting)
    list(POP_FRONT waiting library)
    if(library IN_LIST found OR NOT TARGET ${library} OR NOT library MATCHES "^consilium_")
      continue()
    endif()
    list(APPEND found ${library})
    get_target_property(below ${library} INTERFACE_LINK_LIBRARIES)
    string(REGEX REPLACE "\\$<LINK_ONLY:([^>]*)>" "\\1" below "${below}")
    list(APPEND waiting ${below})
  endwhile()
  set(${result} ${found} PARENT_SCOPE)
endfunction()

# Strategies, tasks, models and jobs. They need neither gRPC nor LibTorch.
consilium_libraries_below(libraries consilium_aggregation consilium_job consilium_model consilium_task)
add_dependencies(programs ${libraries})
set(include_folder ${CMAKE_INSTALL_INCLUDEDIR}/consilium)
foreach(library IN LISTS libraries)
  string(REGEX REPLACE "^consilium_" "" short ${library})
  set_target_properties(${library} PROPERTIES EXPORT_NAME ${short})
  target_include_directories(${library} INTERFACE $<INSTALL_INTERFACE:${include_folder}>)
  target_compile_features(${library} INTERFACE cxx_std_20)
  get_target_property(folder ${library} SOURCE_DIR)
  cmake_path(RELATIVE_PATH folder BASE_DIRECTORY ${CMAKE_SOURCE_DIR})
  install(DIRECTORY ${folder}/ DESTINATION ${include_folder}/${folder} FILES_MATCHING PATTERN "*.h")
endforeach()
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/Consilium)
install(TARGETS ${libraries} EXPORT ConsiliumTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}/consilium)
install(EXPORT ConsiliumTargets NAMESPACE Consilium:: DESTINATION ${package_folder})
configure_package_config_file(cmake/ConsiliumConfig.cmake.in ${CMAKE_BINARY_DIR}/ConsiliumConfig.cmake INSTALL_DESTINATION ${package_folder})
# As long as the major version is 0, a minor version may change interfaces.
write_basic_package_version_file(${CMAKE_BINARY_DIR}/ConsiliumConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/ConsiliumConfig.cmake ${CMAKE_BINARY_DIR}/ConsiliumConfigVersion.cmake DESTINATION ${package_folder})
