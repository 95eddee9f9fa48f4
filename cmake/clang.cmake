# A toolchain file that uses the system's clang of any version: Debian 12 has clang 14, Ubuntu 24.04 clang 18, and Debian 13 clang 19. If
# there are several, it uses the oldest, so that a machine keeps its compiler when another one is added.
find_program(CONSILIUM_CLANG NAMES clang++-14 clang++-15 clang++-16 clang++-17 clang++-18 clang++-19 clang++)
if(NOT CONSILIUM_CLANG)
  message(FATAL_ERROR "no clang++ was found, of no version from 14 to 19: run scripts/setup")
endif()
set(CMAKE_CXX_COMPILER ${CONSILIUM_CLANG})
