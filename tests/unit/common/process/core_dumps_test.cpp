#include "common/process/core_dumps.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/catch.h"

using consilium::process::forbid_core_dumps;

namespace {

/// Ends a child with the result of `task`, and returns that. Both limits last for a process's whole life.
template <class Task>
int in_a_child(const Task& task) {
  const pid_t child = ::fork();
  if (child == 0) std::_Exit(task());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return status;
}

enum Finding { kForbidden = 10, kAllowed = 11 };

}  // namespace

#ifndef CONSILIUM_RECORD_SECRETS

TEST_CASE("a process that forbids core dumps has no room for one, and is not dumpable") {
  const int status = in_a_child([] {
    forbid_core_dumps();
    rlimit limit{1, 1};
    const bool none = ::getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0;
    return none && ::prctl(PR_GET_DUMPABLE) == 0 ? kForbidden : kAllowed;
  });
  CHECK(WEXITSTATUS(status) == kForbidden);
}

TEST_CASE("a process that forbids core dumps leaves none when it is killed") {
  const int status = in_a_child([] {
    forbid_core_dumps();
    ::signal(SIGQUIT, SIG_DFL);
    return ::raise(SIGQUIT);
  });
  CHECK(WIFSIGNALED(status));
  CHECK_FALSE(WCOREDUMP(status));
}

#else

TEST_CASE("a build that records its secrets lets its process be dumped") {
  const int status = in_a_child([] {
    forbid_core_dumps();
    return ::prctl(PR_GET_DUMPABLE) == 1 ? kAllowed : kForbidden;
  });
  CHECK(WEXITSTATUS(status) == kAllowed);
}

#endif
