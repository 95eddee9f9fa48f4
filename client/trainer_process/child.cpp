#include "client/trainer_process/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <future>
#include <sstream>
#include <utility>

#include "client/trainer_process/confinement.h"
#include "client/trainer_process/launch.h"
#include "client/trainer_process/observed_confinement.h"
#include "client/trainer_process/process_usage.h"
#include "common/files/descriptor.h"

namespace consilium::trainer {

namespace {

using namespace std::chrono_literals;

constexpr auto kWatchInterval = 50ms;
constexpr auto kIdleInterval = 250ms;  // without a memory limit, when only threads are watched
/// Number of threads that a trainer may have besides those it computes with: LibTorch and CUDA have a few dozen.
constexpr std::uint64_t kMaxOtherThreads = 1024;
constexpr auto kTerminationGrace = 1s;
constexpr std::size_t kMaxLineBytes = 1024;
constexpr std::size_t kMaxLines = 10'000;
constexpr std::uint64_t kMebibyte = 1 << 20;

/// Returns the peak resident memory since exec in bytes (VmHWM); 0 if the process no longer exists.
std::uint64_t high_water_bytes(int pid) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  std::string word;
  std::uint64_t kibibytes = 0;
  while (file >> word) {
    if (word == "VmHWM:" && file >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

std::string signal_name(int number) {
  const char* name = sigabbrev_np(number);
  return name == nullptr ? fmt::format("signal {}", number) : fmt::format("signal {} (SIG{})", number, name);
}

std::string read_file(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

/// The data that start() and the watcher thread exchange.
struct Launching {
  LaunchPlan plan;
  std::optional<LaunchPlan> decoder;
  Descriptor log;
  std::promise<Result<pid_t>> started;
};

namespace {

/// Fills in the decoder's launch plan, if the trainer has a decoder, and connects the two.
Result<void> plan_decoder(const TrainerConfig& config, Launching& launching) {
  const auto program = decoder_of(config);
  if (!program) return {};
  std::array<int, 2> sockets{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
    return fail(ErrorCode::kInternal, fmt::format("the decoder's socket: {}", std::strerror(errno)));
  }
  launching.plan.decoder = Descriptor(sockets[0]);
  launching.decoder.emplace();
  launching.decoder->socket = Descriptor(sockets[1]);
  launching.decoder->log = Descriptor(fcntl(launching.plan.log.get(), F_DUPFD_CLOEXEC, 0));
  return confine_decoder(config, *program, *launching.decoder);
}

/// Kills and reaps a decoder, together with its workers, which share its process group.
void end_decoder(pid_t decoder) {
  if (decoder < 0) return;
  ::kill(-decoder, SIGKILL);
  while (waitpid(decoder, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

Result<std::unique_ptr<TrainerChild>> TrainerChild::start(const TrainerConfig& config) {
  std::array<int, 2> sockets{};
  std::array<int, 2> log{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
    return fail(ErrorCode::kInternal, fmt::format("the trainer's socket: {}", std::strerror(errno)));
  }
  RecordChannel channel{Descriptor(sockets[0])};
  Descriptor trainer_end(sockets[1]);
  if (pipe2(log.data(), O_CLOEXEC) != 0) {
    return fail(ErrorCode::kInternal, fmt::format("the trainer's log pipe: {}", std::strerror(errno)));
  }
  const auto launching = std::make_shared<Launching>();
  launching->log = Descriptor(log[0]);
  launching->plan.log = Descriptor(log[1]);
  launching->plan.socket = std::move(trainer_end);
  CONSILIUM_TRY(plan_decoder(config, *launching));
  if (!config.scratch.empty()) {
    auto scratch = files::make_nameless_file(config.scratch);
    if (!scratch) return fail(scratch.error().within("trainer.scratch"));
    launching->plan.scratch = std::move(*scratch);
    launching->plan.scratch_bytes = config.scratch_bytes;
  }
  CONSILIUM_TRY(confine(config, launching->plan));

  std::unique_ptr<TrainerChild> child(new TrainerChild(config, std::move(channel)));
  if (config.memory_limit_bytes > 0) {
    static std::atomic<unsigned> serial{0};
    const auto name = fmt::format("consilium-trainer-{}-{}", getpid(), ++serial);
    child->group_ =
        MemoryGroup::create("/sys/fs/cgroup", read_file("/proc/self/cgroup"), name, config.memory_limit_bytes);
    if (child->group_) {
      launching->plan.memory_group = child->group_->open_members();
      if (launching->decoder) launching->decoder->memory_group = child->group_->open_members();
    }
  }
  auto started = launching->started.get_future();
  child->watcher_ = std::jthread([raw = child.get(), launching] { raw->run(*launching); });
  CONSILIUM_TRY(started.get());
  return child;
}

TrainerChild::~TrainerChild() {
  signal(SIGTERM);
  if (!wait_ended(kTerminationGrace)) kill();
}

void TrainerChild::run(Launching& launching) {
  Result<pid_t> decoder = launching.decoder ? launch(*launching.decoder) : Result<pid_t>(-1);
  Result<pid_t> pid = decoder ? launch(launching.plan) : decoder;
  const Descriptor log = std::move(launching.log);
  // The child holds its own ends. If ours stayed open, we wouldn't notice that it closed them.
  launching.plan = LaunchPlan{};
  launching.decoder.reset();
  if (decoder && !pid) end_decoder(*decoder);
  const bool launched = pid.has_value();
  if (launched) {
    const std::lock_guard lock(mutex_);
    pid_ = *pid;
    decoder_pid_ = *decoder;
    single_ = observe_confinement(pid_).system_call_filter;
  }
  launching.started.set_value(std::move(pid));
  if (launched) watch(log.get());
}

void TrainerChild::watch(int log) {
  std::array<char, 4096> bytes{};
  bool log_open = true;
  const auto read_log = [&] {
    const ssize_t count = read(log, bytes.data(), bytes.size());
    if (count > 0) pass_on({bytes.data(), static_cast<std::size_t>(count)});
    log_open = count > 0 || (count < 0 && (errno == EINTR || errno == EAGAIN));
    return count > 0;
  };
  fcntl(log, F_SETFL, O_NONBLOCK);
  const Descriptor process(static_cast<int>(syscall(SYS_pidfd_open, pid(), 0)));
  const auto interval = config_.memory_limit_bytes > 0 ? kWatchInterval : kIdleInterval;
  auto next_check = std::chrono::steady_clock::now();
  while (true) {
    std::array<pollfd, 2> wait{pollfd{log_open ? log : -1, POLLIN, 0}, pollfd{process.get(), POLLIN, 0}};
    poll(wait.data(), wait.size(), static_cast<int>((process ? interval : kWatchInterval) / 1ms));
    if (wait[0].revents != 0) read_log();
    const auto now = std::chrono::steady_clock::now();
    if (now >= next_check) {
      next_check = now + interval;
      check_usage();
    }
    siginfo_t ended{};
    if (waitid(P_PID, static_cast<id_t>(pid()), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0) break;
  }
  for (std::size_t reads = 0; reads < 64 && log_open && read_log(); ++reads) {
  }
  if (!line_.empty()) pass_on_line();
  reap();
}

void TrainerChild::pass_on(std::string_view bytes) {
  for (const char c : bytes) {
    if (c == '\n' || line_.size() == kMaxLineBytes) pass_on_line();
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) line_.push_back(c);
  }
}

void TrainerChild::pass_on_line() {
  {
    const std::lock_guard lock(mutex_);
    if (!line_.empty()) last_line_ = line_;
  }
  if (config_.log && !line_.empty() && lines_ <= kMaxLines) {
    config_.log(lines_ == kMaxLines ? "(the trainer prints too much; its further output is dropped)" : line_);
    ++lines_;
  }
  line_.clear();
}

void TrainerChild::check_usage() {
  const std::lock_guard lock(mutex_);
  if (excess_) return;
  // The filter of a confined trainer allows it only one process, so /proc is searched only for the others.
  std::vector<pid_t> members = single_ ? std::vector<pid_t>{pid_} : processes_of(pid_);
  if (decoder_pid_ >= 0) {
    const std::vector<pid_t> decoding = with_children(decoder_pid_);
    members.insert(members.end(), decoding.begin(), decoding.end());
  }
  const ProcessUsage usage = usage_of(members);
  peak_ = std::max(peak_, usage.memory_bytes);
  const std::uint64_t max_threads = kMaxOtherThreads + config_.threads;
  if (config_.memory_limit_bytes > 0 && usage.memory_bytes > config_.memory_limit_bytes) {
    excess_ = fmt::format("the trainer used {} MiB, its limit is {} MiB", usage.memory_bytes / kMebibyte,
                          config_.memory_limit_bytes / kMebibyte);
  } else if (usage.threads > max_threads) {
    excess_ = fmt::format("the trainer ran {} threads, its limit is {}", usage.threads, max_threads);
  } else {
    return;
  }
  ::kill(-pid_, SIGKILL);
  if (decoder_pid_ >= 0) ::kill(-decoder_pid_, SIGKILL);
  for (const pid_t member : members) ::kill(member, SIGKILL);
}

void TrainerChild::reap() {
  const std::lock_guard lock(mutex_);
  ::kill(-pid_, SIGKILL);  // kills whatever it forked; the process group exists as long as its leader isn't reaped
  if (!single_) {
    for (const pid_t member : processes_of(pid_)) ::kill(member, SIGKILL);
  }
  while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
  end_decoder(std::exchange(decoder_pid_, -1));
  pid_ = -1;
  ended_.notify_all();
}

int TrainerChild::pid() const {
  const std::lock_guard lock(mutex_);
  return pid_;
}

int TrainerChild::decoder_pid() const {
  const std::lock_guard lock(mutex_);
  return decoder_pid_;
}

std::uint64_t TrainerChild::peak_resident_bytes() const {
  const std::lock_guard lock(mutex_);
  if (pid_ >= 0) peak_ = std::max(peak_, high_water_bytes(pid_));
  return peak_;
}

void TrainerChild::signal(int number) {
  const std::lock_guard lock(mutex_);
  if (pid_ < 0) return;
  ::kill(pid_, number);
  if (number == SIGKILL) ::kill(-pid_, number);
}

void TrainerChild::kill() {
  signal(SIGKILL);
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [this] { return pid_ < 0; });
}

bool TrainerChild::wait_ended(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return ended_.wait_for(lock, timeout, [this] { return pid_ < 0; });
}

Error TrainerChild::cause_of_death() const {
  const std::lock_guard lock(mutex_);
  const std::uint64_t limit = config_.memory_limit_bytes / kMebibyte;
  if (excess_) return {ErrorCode::kResourceExhausted, *excess_};
  if (group_ && group_->killed_for_memory()) {
    return {ErrorCode::kResourceExhausted, fmt::format("the trainer used more than its limit of {} MiB", limit)};
  }
  const std::string said = last_line_.empty() ? "" : "; its last words: " + last_line_;
  if (WIFSIGNALED(status_)) {
    return {ErrorCode::kUnavailable, fmt::format("trainer killed by {}{}", signal_name(WTERMSIG(status_)), said)};
  }
  return {ErrorCode::kInternal, fmt::format("trainer exited with status {}{}", WEXITSTATUS(status_), said)};
}

}  // namespace consilium::trainer
