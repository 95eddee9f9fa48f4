#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "client/trainer/protocol/channel.h"
#include "tests/catch.h"
#include "tests/unit/client/trainer_process/fixtures.h"

/// Runs the rogue trainer's probes (tests/trainers/rogue_probes.h), unconfined and confined.
namespace consilium::trainer {

/// Runs a probe without any confinement, as a plain child with the socket at descriptor 3.
inline std::string free_probe(const std::string& name, const std::string& target) {
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  RecordChannel channel{Descriptor(ends[0])};
  Descriptor trainer_end(fcntl(ends[1], F_DUPFD_CLOEXEC, 50));
  close(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, trainer_end.get(), 3);
  const std::string mode = "probe-" + name;
  std::array<char*, 6> arguments{
      const_cast<char*>(kRogueTrainer.c_str()), const_cast<char*>(mode.c_str()), const_cast<char*>(target.c_str()),
      const_cast<char*>("--socket-fd"),         const_cast<char*>("3"),          nullptr};
  pid_t pid = -1;
  REQUIRE(posix_spawn(&pid, kRogueTrainer.c_str(), &actions, nullptr, arguments.data(), environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  trainer_end.close();
  REQUIRE(channel.receive().value().has_value());
  REQUIRE(channel.send(encode(Request(prepare_request()))).has_value());
  const auto reply = decode_reply(channel.receive().value().value().json).value();
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  return std::get<Failed>(reply).message;
}

inline std::string confined_probe(const std::string& name, const std::string& target,
                                  std::vector<std::filesystem::path> readable = {},
                                  const std::string& device = "auto") {
  auto config = rogue({"probe-" + name, target});
  config.readable = std::move(readable);
  config.device = device;
  const auto answer = TrainerProcess(config).prepare(prepare_request(), {});
  REQUIRE_FALSE(answer.has_value());
  const std::string prefix = "preparing data and model failed: ";
  REQUIRE_THAT(answer.error().message, Catch::StartsWith(prefix));
  return answer.error().message.substr(prefix.size());
}

/// Unconfined, the probe must succeed. Confined, it must fail, with or without the system calls that CUDA needs.
inline void check_shut(const std::string& name, const std::string& target) {
  CAPTURE(name, target);
  CHECK_THAT(free_probe(name, target), Catch::StartsWith("reached"));
  CHECK_THAT(confined_probe(name, target, {}, "auto"), Catch::StartsWith("refused"));
  CHECK_THAT(confined_probe(name, target, {}, "cpu"), Catch::StartsWith("refused"));
}

}  // namespace consilium::trainer
