#include "coordinator/state_lock.h"

#include <sys/wait.h>
#include <unistd.h>

#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

using namespace consilium;
using coordinator::StateLock;

TEST_CASE("a state folder is one coordinator's, and who else wants it is told which process has it") {
  const pki::TemporaryFolder folder;
  {
    const auto first = StateLock::acquire(folder.path());
    REQUIRE(first);
    const auto second = StateLock::acquire(folder.path());
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::kFailedPrecondition);
    CHECK_THAT(second.error().message, Catch::Contains("process " + std::to_string(::getpid())) &&
                                           Catch::Contains(folder.path().string()) && Catch::Contains("stop that one"));
  }
  CHECK(StateLock::acquire(folder.path()));
}

TEST_CASE("the lock of a process that was killed is free") {
  const pki::TemporaryFolder folder;
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = StateLock::acquire(folder.path());
    ::_exit(lock ? 0 : 1);
  }
  int status = 1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(StateLock::acquire(folder.path()));
}

TEST_CASE("a state folder that isn't there, or a link in the lock's place, is refused") {
  const pki::TemporaryFolder folder;
  CHECK_FALSE(StateLock::acquire(folder / "nothing"));
  std::filesystem::create_symlink(folder / "elsewhere", folder / "lock");
  CHECK_FALSE(StateLock::acquire(folder.path()));
  CHECK_FALSE(std::filesystem::exists(folder / "elsewhere"));
}
