#include "cli/sandbox/daemon_process.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include "tests/catch.h"

namespace consilium::cli {
namespace {

struct DaemonFolder {
  DaemonFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "daemon-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~DaemonFolder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

std::unique_ptr<DaemonProcess> shell(const DaemonFolder& folder, const std::string& script) {
  auto daemon = DaemonProcess::start("daemon", {"/bin/sh", "-c", script}, folder.path / "log");
  REQUIRE(daemon);
  return std::move(*daemon);
}

/// Waits until the script has reported that it is ready.
void wait_ready(const DaemonFolder& folder) {
  while (!std::filesystem::exists(folder.path / "ready")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

TEST_CASE("a daemon that is asked to stop ends by itself") {
  const DaemonFolder folder;
  std::vector<std::unique_ptr<DaemonProcess>> daemons;
  daemons.push_back(shell(
      folder, "trap 'exit 0' TERM; touch " + (folder.path / "ready").string() + "; while :; do sleep 0.01; done"));
  wait_ready(folder);
  const pid_t pid = daemons[0]->pid();
  CHECK(daemons[0]->check());
  CHECK(stop_all(daemons, std::chrono::seconds(20)).empty());
  CHECK(::kill(pid, 0) == -1);
}

TEST_CASE("the last warning or error of a daemon's log is told without its time") {
  const DaemonFolder folder;
  const auto daemon = shell(folder,
                            "echo '2026-01-01T00:00:00.000Z info    [program.started] starts'; "
                            "echo '2026-01-01T00:00:00.000Z warning [limit.low] first'; "
                            "echo '2026-01-01T00:00:00.000Z error   [trainer.failed] there is no card'; "
                            "echo '2026-01-01T00:00:00.000Z info    [job.accepted] on'");
  while (daemon->running()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK(daemon->last_trouble() == "there is no card");
  std::ofstream(folder.path / "log") << "2026-01-01T00:00:00.000Z info    [job.declined] declined job a: max_rounds\n";
  CHECK(daemon->last_trouble() == "declined job a: max_rounds");
  std::ofstream(folder.path / "log") << "2026-01-01T00:00:00.000Z info    [job.ended] no error here\n";
  CHECK(daemon->last_trouble().empty());
}

TEST_CASE("a daemon that doesn't stop is killed with all that it started") {
  const DaemonFolder folder;
  std::vector<std::unique_ptr<DaemonProcess>> daemons;
  daemons.push_back(shell(folder, "trap '' TERM; (trap '' TERM; sleep 1000) & touch " +
                                      (folder.path / "ready").string() + "; sleep 1000; sleep 1000"));
  wait_ready(folder);
  const pid_t pid = daemons[0]->pid();
  CHECK(daemons[0]->group_alive());
  CHECK(stop_all(daemons, std::chrono::milliseconds(50)) == std::vector<std::string>{"daemon"});
  // init collects the group's last members.
  for (int i = 0; i < 1000 && ::kill(-pid, 0) == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK(::kill(-pid, 0) == -1);
}

TEST_CASE("a daemon that ended by itself is told with the end of its log") {
  const DaemonFolder folder;
  const auto daemon = shell(folder, "echo 'no such key: north.key' >&2; exit 3");
  while (daemon->running()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const auto ended = daemon->check();
  REQUIRE_FALSE(ended);
  CHECK(ended.error().message.find("exited with 3") != std::string::npos);
  CHECK(ended.error().message.find("no such key: north.key") != std::string::npos);
}

TEST_CASE("a daemon inherits no blocked signal, and leads a group of its own") {
  const DaemonFolder folder;
  sigset_t block;
  sigemptyset(&block);
  sigaddset(&block, SIGTERM);
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &block, &before);
  const auto daemon = shell(folder, "grep SigBlk /proc/self/status");
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  while (daemon->running()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  std::ifstream log(folder.path / "log");
  const std::string text{std::istreambuf_iterator<char>(log), {}};
  CHECK(text.find("0000000000000000") != std::string::npos);
}

}  // namespace
}  // namespace consilium::cli
