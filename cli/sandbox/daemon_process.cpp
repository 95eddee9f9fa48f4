#include "cli/sandbox/daemon_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spdlog/fmt/fmt.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>
#include <thread>

#include "cli/live_view.h"

namespace consilium::cli {
namespace {

constexpr std::size_t kLogTail = 1500;
constexpr std::chrono::milliseconds kPoll{10};

std::string tail_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (text.size() > kLogTail) text = "..." + text.substr(text.size() - kLogTail);
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += "\n  " + printable(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

/// Runs in the child between fork and exec, with only async-signal-safe calls.
[[noreturn]] void become(char* const* arguments, int log, pid_t parent) {
  ::setpgid(0, 0);
  // If this command dies first, the daemon receives SIGTERM and stops normally.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(125);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  const int input = ::open("/dev/null", O_RDONLY);
  if (input < 0 || ::dup2(input, 0) < 0 || ::dup2(log, 1) < 0 || ::dup2(log, 2) < 0) ::_exit(126);
  ::execv(arguments[0], arguments);
  ::_exit(127);
}

}  // namespace

Result<std::unique_ptr<DaemonProcess>> DaemonProcess::start(std::string name, const std::vector<std::string>& command,
                                                            const std::filesystem::path& log) {
  const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (output < 0)
    return fail(ErrorCode::kInternal, fmt::format("{}: cannot be written: {}", log.string(), std::strerror(errno)));
  std::vector<std::string> copy = command;
  std::vector<char*> arguments;
  for (std::string& argument : copy) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) become(arguments.data(), output, parent);
  const int problem = errno;
  ::close(output);
  if (pid < 0)
    return fail(ErrorCode::kResourceExhausted, fmt::format("{} cannot be started: {}", name, std::strerror(problem)));
  ::setpgid(pid, pid);  // both parent and child do this, whichever comes first
  return std::unique_ptr<DaemonProcess>(new DaemonProcess(std::move(name), pid, log));
}

DaemonProcess::~DaemonProcess() {
  if (running()) {
    kill_group();
    ::waitpid(pid_, &status_, 0);
    ended_ = true;
  }
  if (group_alive()) kill_group();
}

bool DaemonProcess::running() {
  if (!ended_ && ::waitpid(pid_, &status_, WNOHANG) == pid_) ended_ = true;
  return !ended_;
}

Result<void> DaemonProcess::check() {
  if (running()) return {};
  const std::string how = WIFSIGNALED(status_) ? fmt::format("was killed by signal {}", WTERMSIG(status_))
                                               : fmt::format("exited with {}", WEXITSTATUS(status_));
  return fail(ErrorCode::kFailedPrecondition,
              fmt::format("{} {}; its log ({}) ends:{}", name_, how, log_.string(), tail_of(log_)));
}

std::string DaemonProcess::last_trouble() const {
  std::ifstream in(log_);
  std::string last;
  for (std::string line; std::getline(in, line);) {
    // A declined job is no warning in a hospital's log, but here it stops the job.
    for (const std::string_view sign : {" warning ", " error   ", " info    [job.declined] "}) {
      const std::size_t at = line.find(sign);
      if (at == std::string::npos) continue;
      last = line.substr(at + sign.size());
      const std::size_t words =
          last.starts_with('[') ? last.find("] ") : std::string::npos;  // the message follows the event's name
      if (words != std::string::npos) last.erase(0, words + 2);
    }
  }
  return printable(last);
}

void DaemonProcess::ask_to_stop() {
  if (running()) ::kill(pid_, SIGTERM);
}

bool DaemonProcess::wait_stopped(std::chrono::steady_clock::time_point deadline) {
  while (running() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(kPoll);
  const bool by_itself = !running();
  if (!by_itself) {
    kill_group();
    ::waitpid(pid_, &status_, 0);
    ended_ = true;
  }
  if (group_alive()) kill_group();
  return by_itself;
}

bool DaemonProcess::group_alive() const { return ::kill(-pid_, 0) == 0; }

void DaemonProcess::kill_group() { ::kill(-pid_, SIGKILL); }

std::vector<std::string> stop_all(std::vector<std::unique_ptr<DaemonProcess>>& daemons,
                                  std::chrono::milliseconds grace) {
  const auto deadline = std::chrono::steady_clock::now() + grace;
  std::vector<std::string> killed;
  for (const auto& daemon : daemons) daemon->ask_to_stop();
  for (const auto& daemon : daemons) {
    if (!daemon->wait_stopped(deadline)) killed.push_back(daemon->name());
  }
  daemons.clear();
  return killed;
}

}  // namespace consilium::cli
