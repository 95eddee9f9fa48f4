#include "common/process/core_dumps.h"

#ifndef CONSILIUM_RECORD_SECRETS

#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>

namespace consilium::process {

void forbid_core_dumps() {
  const rlimit none{0, 0};
  // On supported kernels neither call can fail with these arguments.
  if (::setrlimit(RLIMIT_CORE, &none) != 0 || ::prctl(PR_SET_DUMPABLE, 0) != 0) {
    std::perror("core dumps could not be forbidden");
    std::abort();
  }
}

}  // namespace consilium::process

#else

namespace consilium::process {

void forbid_core_dumps() {}

}  // namespace consilium::process

#endif
