#include <chrono>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>

#include "tests/catch.h"
#include "tests/rogue_coordinator/stage.h"

// A coordinator that sends more than the client can handle is throttled, and the client's memory doesn't grow.
namespace consilium::rogue {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMebibyte = 1 << 20;

/// Returns the peak resident memory of a process in bytes.
std::uint64_t peak_memory(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  std::string word;
  while (status >> word) {
    std::uint64_t kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

/// Returns a fifth of a megabyte of a job that takes long to read, and that is declined.
wire::JobOffer slow_offer(int number) {
  std::string spec = "name: [";
  while (spec.size() < 200'000) spec += "aaaaaaa,";
  return {"flood-" + std::to_string(number), spec + "a]", {}};
}

/// Sends offers faster than the client can handle them.
void flood(Stage& stage, int offers) {
  for (int i = 0; i < offers; ++i) {
    stage.send(slow_offer(i));
    std::this_thread::sleep_for(5ms);
  }
}

TEST_CASE("a coordinator that floods the client with messages can't fill its memory, and the client works on") {
  Stage stage;
  const std::uint64_t before = peak_memory(stage.client().pid());
  flood(stage, 600);
  CHECK(peak_memory(stage.client().pid()) - before < 60 * kMebibyte);
  REQUIRE(stage.client().running());
  stage.cut_connection();
  CHECK(stage.offer("rogue-1", stage.job()));
  CHECK(stage.log().find("expected hello") == std::string::npos);  // no late answer on a new stream
}

TEST_CASE("a client that is being flooded stops when it is asked to") {
  Stage stage;
  flood(stage, 150);
  const auto due = std::chrono::steady_clock::now() + 20s;
  REQUIRE(::kill(stage.client().pid(), SIGTERM) == 0);
  while (stage.client().running() && std::chrono::steady_clock::now() < due) std::this_thread::sleep_for(10ms);
  CHECK_FALSE(stage.client().running());
  CHECK(stage.logged("stopping"));
}

}  // namespace
}  // namespace consilium::rogue
