# Fails where PROGRAM isn't linked with one of LIBRARIES: LibTorch's libraries of kernels for GPUs are called by nobody, and a linker may leave
# them out, after which the program finds no GPU.
execute_process(COMMAND ${READELF} --dynamic ${PROGRAM} OUTPUT_VARIABLE entries COMMAND_ERROR_IS_FATAL ANY)
foreach(library IN LISTS LIBRARIES)
  cmake_path(GET library FILENAME name)
  string(FIND "${entries}" "[${name}" found)
  if(found EQUAL -1)
    message(FATAL_ERROR "${PROGRAM}: expected ${name} among its NEEDED libraries, found:\n${entries}")
  endif()
endforeach()
