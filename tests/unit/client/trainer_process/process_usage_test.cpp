#include "client/trainer_process/process_usage.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <string>

#include "tests/catch.h"
#include "tests/unit/client/trainer_process/filtered_child.h"
#include "tests/unit/client/trainer_process/fixtures.h"

using namespace consilium;
using namespace consilium::trainer;

namespace {

constexpr std::uint64_t kMebibyte = 1 << 20;

/// Trains once under a limit of 64 MiB. Returns the error and the trainer's processes that remain afterwards.
std::string train_within_limit(const std::string& mode, bool require_sandbox) {
  auto config = rogue({mode});
  config.memory_limit_bytes = 64 * kMebibyte;
  config.require_sandbox = require_sandbox;
  TrainerProcess trainer(config);
  Vectors vectors;
  const auto trained = train_once(trainer, vectors);
  return trained ? "trained" : trained.error().message;
}

/// Runs `task` in a child that can't install a seccomp filter, as on a kernel without them. Returns its output.
template <class Task>
std::string without_filters(const Task& task) {
  const std::array<sock_filter, 7> code{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_SECCOMP, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  return in_filtered_child(code, task);
}

}  // namespace

TEST_CASE("a trainer's memory can't be eaten by a child: it has none") {
  const std::string said = train_within_limit("child-eats-memory", true);
  CHECK_THAT(said, Catch::Contains("exited with status 5") && Catch::Contains("fork: Operation not permitted"));
}

TEST_CASE("where no filter keeps a trainer from forking, its children's memory is counted with its own") {
  const std::string said = without_filters([] { return train_within_limit("child-eats-memory", false); });
  CHECK_THAT(said, Catch::Contains("the trainer used") && Catch::Contains("MiB, its limit is 64 MiB"));
}

TEST_CASE("a trainer that begins threads without end is ended") {
  auto config = rogue({"threads"});
  TrainerProcess trainer(config);
  Vectors vectors;
  const auto trained = train_once(trainer, vectors);
  REQUIRE_FALSE(trained.has_value());
  CHECK(trained.error().code == ErrorCode::kResourceExhausted);
  CHECK_THAT(trained.error().message, Catch::Contains("threads, its limit is 1025"));
}

TEST_CASE("a process's children belong to it, in sessions of their own too") {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const pid_t trainer = fork();
  if (trainer == 0) {
    const pid_t child = fork();
    if (child == 0) {
      setsid();
      while (true) pause();
    }
    static_cast<void>(write(ends[1], &child, sizeof child));
    while (true) pause();
  }
  pid_t child = 0;
  REQUIRE(read(ends[0], &child, sizeof child) == sizeof child);
  CHECK(processes_of(trainer) == std::vector<pid_t>{std::min(trainer, child), std::max(trainer, child)});
  const std::uint64_t threads = usage_of(trainer).threads;  // one, plus those of a sanitizer that keeps some of its own
  CHECK(threads >= 1);
  CHECK(usage_of(child).threads >= 1);
  CHECK(usage_of(processes_of(trainer)).threads == threads + usage_of(child).threads);
  CHECK(usage_of(trainer).memory_bytes > 0);
  for (const pid_t process : {child, trainer}) kill(process, SIGKILL);
  waitpid(trainer, nullptr, 0);
  CHECK(usage_of(trainer).memory_bytes == 0);
}
