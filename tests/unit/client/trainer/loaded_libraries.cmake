# Fails if PROGRAM isn't linked with one of LIBRARIES. No code calls LibTorch's libraries of GPU kernels, so a linker can leave them out, and
# the program then finds no GPU.
execute_process(COMMAND ${READELF} --dynamic ${PROGRAM} OUTPUT_VARIABLE entries COMMAND_ERROR_IS_FATAL ANY)
foreach(library IN LISTS LIBRARIES)
  cmake_path(GET library FILENAME name)
  string(FIND "${entries}" "[${name}" found)
  if(found EQUAL -1)
    message(FATAL_ERROR "${PROGRAM}: expected ${name} among its NEEDED libraries, found:\n${entries}")
  endif()
endforeach()
