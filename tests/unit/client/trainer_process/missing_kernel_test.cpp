// A kernel without one of the confinement mechanisms. A seccomp filter in a child of the test imitates it by failing
// the one system call.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <string>

#include "client/trainer_process/observed_confinement.h"
#include "tests/catch.h"
#include "tests/unit/client/trainer_process/filtered_child.h"
#include "tests/unit/client/trainer_process/fixtures.h"

using namespace consilium;
using namespace consilium::trainer;

namespace {

/// Starts the echo trainer while a system call does nothing and returns `error`, 0 for success. Returns "started" or
/// the error.
std::string start_without(long system_call, bool require_sandbox, std::uint32_t error = ENOSYS) {
  const std::array<sock_filter, 4> code{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(system_call), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  return in_filtered_child(code, [&]() -> std::string {
    auto config = echo({});
    config.require_sandbox = require_sandbox;
    TrainerProcess trainer(config);
    const auto hello = trainer.start();
    return hello ? "started" : std::string(name_of(hello.error().code)) + ": " + hello.error().message;
  });
}

}  // namespace

TEST_CASE("a kernel without a means of confinement is refused by name, unless the policy goes without") {
  const auto [system_call, name] = GENERATE(table<long, std::string>({
      {SYS_landlock_create_ruleset, "no Landlock"},
      {SYS_landlock_restrict_self, "Landlock"},
      {SYS_unshare, "network namespace"},
      {SYS_seccomp, "seccomp"},
  }));
  CAPTURE(system_call);
  const std::string refused = start_without(system_call, true);
  CHECK_THAT(refused, Catch::StartsWith("failed_precondition: "));
  CHECK_THAT(refused, Catch::Contains(name));
  CHECK(start_without(system_call, false) == "started");
}

TEST_CASE("a trainer that the kernel shows to be unconfined is refused, whatever its launch and its hello say") {
  const std::string refused = start_without(SYS_unshare, true, 0);
  CHECK_THAT(refused, Catch::StartsWith("failed_precondition: "));
  CHECK_THAT(refused, Catch::Contains("lacks: a network namespace of its own, an IPC namespace of its own"));
  CHECK(start_without(SYS_unshare, false, 0) == "started");
}

TEST_CASE("a trainer that says it isn't confined is refused, unless the policy goes without") {
  auto config = rogue({"says-unconfined"});
  const auto refused = TrainerProcess(config).start();
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::kFailedPrecondition);
  CHECK_THAT(refused.error().message, Catch::Contains("the trainer (rogue) reports that it isn't confined"));
  config.require_sandbox = false;
  CHECK(TrainerProcess(config).start().has_value());
}

TEST_CASE("a process without confinement lacks all of it") {
  const pid_t child = fork();
  if (child == 0) {
    while (true) pause();
  }
  const auto checked = check_confined(child);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  REQUIRE_FALSE(checked.has_value());
  for (const std::string name : {"no_new_privs", "seccomp filter", "network namespace", "IPC namespace"}) {
    CHECK_THAT(checked.error().message, Catch::Contains(name));
  }
  if (geteuid() == 0) CHECK_THAT(checked.error().message, Catch::Contains("empty capability sets"));
  CHECK_FALSE(check_confined(child).has_value());  // a process that no longer exists is refused too
}
