// A kernel without one of the means of confinement, imitated by a seccomp filter in a child of the test that lets the
// one system call fail.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstddef>
#include <string>

#include "tests/unit/client/trainer_process/fixtures.h"

using namespace consilium;
using namespace consilium::trainer;

namespace {

/// Starts the echo trainer where a system call fails with ENOSYS; returns "started" or the error.
std::string start_without(long system_call, bool require_sandbox) {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const pid_t child = fork();
  if (child == 0) {
    std::array<sock_filter, 4> code{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(system_call), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    const sock_fprog program{code.size(), code.data()};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) _exit(1);
    auto config = echo({});
    config.require_sandbox = require_sandbox;
    std::string said;
    {
      TrainerProcess trainer(config);
      const auto hello = trainer.start();
      said = hello ? "started" : std::string(name_of(hello.error().code)) + ": " + hello.error().message;
    }
    _exit(write(ends[1], said.data(), said.size()) < 0 ? 1 : 0);
  }
  close(ends[1]);
  std::string said(4096, '\0');
  const ssize_t count = read(ends[0], said.data(), said.size());
  close(ends[0]);
  waitpid(child, nullptr, 0);
  said.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  return said;
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
