# A toolchain file that takes the system's clang, whatever its version: Debian 12 has clang 14, Ubuntu 24.04 clang 18, Debian 13 clang 19.
# Where there are several, it is the oldest, so that a machine keeps its compiler when another one is added.
find_program(CONSILIUM_CLANG NAMES clang++-14 clang++-15 clang++-16 clang++-17 clang++-18 clang++-19 clang++)
if(NOT CONSILIUM_CLANG)
  message(FATAL_ERROR "no clang++ was found, of no version from 14 to 19: run scripts/setup")
endif()
set(CMAKE_CXX_COMPILER ${CONSILIUM_CLANG})
