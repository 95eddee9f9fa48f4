#include "client/trainer_process/launch.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <spdlog/fmt/fmt.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "client/trainer_process/landlock.h"
#include "client/trainer_process/launch_filter.h"

namespace consilium::trainer {

namespace {

/// The step at which a child failed. It is sent through a socket, together with errno.
enum class Step : int {
  kDescriptors,
  kSession,
  kPrivileges,
  kNetwork,
  kMemoryGroup,
  kLandlock,
  kCapabilities,
  kSystemCalls,
  kExec
};
struct Failure {
  Step step;
  int number;
};

/// The descriptors that the child moves are all at kFirstFree or above, so that moving one doesn't overwrite another.
constexpr int kFirstFree = 16;
constexpr int kReportDescriptor = 6;
constexpr int kRulesetDescriptor = 7;
constexpr int kGroupDescriptor = 8;

/// What the child reads after the fork: plain values, and pointers into its copy of the parent's memory.
struct ChildPlan {
  const char* program;
  char* const* arguments;
  char* const* environment;
  int null, socket, decoder, scratch, log, ruleset, memory_group, report;
  rlim_t scratch_bytes;
  bool require_confinement;
  std::span<sock_filter> filter;
  pid_t parent;
  std::array<char, 32> user_map;
  std::array<char, 32> group_map;
};

[[noreturn]] void give_up(Step step) {
  const Failure failure{step, errno};
  [[maybe_unused]] const auto written = write(kReportDescriptor, &failure, sizeof failure);
  _exit(127);
}

void place_descriptors(const ChildPlan& plan) {
  const auto move = [](int from, int to, int flags) { return from < 0 || dup3(from, to, flags) >= 0; };
  const bool placed = move(plan.report, kReportDescriptor, O_CLOEXEC) && move(plan.null, 0, 0) &&
                      move(plan.log, 1, 0) && move(plan.log, 2, 0) && move(plan.socket, kSocketDescriptor, 0) &&
                      move(plan.decoder, kDecoderDescriptor, 0) && move(plan.scratch, kScratchDescriptor, 0) &&
                      move(plan.ruleset, kRulesetDescriptor, O_CLOEXEC) &&
                      move(plan.memory_group, kGroupDescriptor, O_CLOEXEC);
  if (!placed) give_up(Step::kDescriptors);
  if (plan.decoder < 0) close(kDecoderDescriptor);
  if (plan.scratch < 0) close(kScratchDescriptor);
  if (plan.ruleset < 0) close(kRulesetDescriptor);
  if (plan.memory_group < 0) close(kGroupDescriptor);
  if (syscall(SYS_close_range, kGroupDescriptor + 1, ~0U, 0) == 0) return;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  for (int fd = kGroupDescriptor + 1; fd < static_cast<int>(limit.rlim_cur); ++fd) close(fd);
}

/// Limits the size of files. A process that exceeds the limit is killed by SIGXFSZ; if it ignores the signal, the write
/// fails with EFBIG.
void limit_files(rlim_t bytes) {
  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  limit.rlim_max = bytes < limit.rlim_max ? bytes : limit.rlim_max;  // the daemon may have its own limit
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0) give_up(Step::kDescriptors);
}

void reset_signals() {
  struct sigaction normal {};
  normal.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &normal, nullptr);
}

void write_text(const char* path, const char* text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  [[maybe_unused]] const auto written = write(fd, text, strlen(text));
  close(fd);
}

/// Enters an empty network namespace (and IPC namespace), either by way of a new user namespace or by privilege.
bool leave_network(const ChildPlan& plan) {
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC) == 0) {
    write_text("/proc/self/setgroups", "deny");
    write_text("/proc/self/uid_map", plan.user_map.data());
    write_text("/proc/self/gid_map", plan.group_map.data());
    return true;
  }
  return unshare(CLONE_NEWNET | CLONE_NEWIPC) == 0;
}

/// Empties every capability set, including the bounding set, so that a program run by root regains none.
bool drop_capabilities() {
  for (unsigned long capability = 0; capability < 64; ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno == EPERM) break;
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> none{};
  return syscall(SYS_capset, &header, none.data()) == 0;
}

/// Passes the filter's listener to the daemon through the report socket.
bool send_listener(int listener) {
  Failure none{Step::kExec, 0};
  iovec bytes{&none, sizeof none};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof listener);
  std::memcpy(CMSG_DATA(header), &listener, sizeof listener);
  return sendmsg(kReportDescriptor, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof none);
}

void restrict_system_calls(const ChildPlan& plan) {
  name_own_process(plan.filter, getpid());
  const int listener = install_launch_filter(plan.filter);
  if (listener >= 0) {
    if (!send_listener(listener)) give_up(Step::kSystemCalls);
    close(listener);
    return;
  }
  if (plan.require_confinement) give_up(Step::kSystemCalls);
  [[maybe_unused]] const int without = install_launch_filter_without_listener(plan.filter);
}

/// Runs between fork and exec: async-signal-safe calls only.
[[noreturn]] void run_child(const ChildPlan& plan) {
  place_descriptors(plan);
  setsid();
  umask(077);
  if (chdir("/") != 0) give_up(Step::kSession);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  if (plan.scratch >= 0) limit_files(plan.scratch_bytes);  // check: scratch-limit
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up(Step::kPrivileges);
  if (plan.memory_group >= 0 && write(kGroupDescriptor, "0\n", 2) != 2) give_up(Step::kMemoryGroup);
  if (!leave_network(plan) && plan.require_confinement) give_up(Step::kNetwork);
  if (plan.ruleset >= 0) {
    errno = restrict_self(kRulesetDescriptor);
    if (errno != 0 && plan.require_confinement) give_up(Step::kLandlock);
  }
  if (!drop_capabilities()) give_up(Step::kCapabilities);
  restrict_system_calls(plan);  // check: launch-filter
  reset_signals();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // Last, because a change of credentials clears it.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up(Step::kSession);
  if (getppid() != plan.parent) _exit(127);
  execve(plan.program, plan.arguments, plan.environment);
  give_up(Step::kExec);
}

Error explain(const Failure& failure, const std::string& program) {
  const char* reason = std::strerror(failure.number);
  switch (failure.step) {
    case Step::kExec: {
      const ErrorCode code = failure.number == ENOENT ? ErrorCode::kNotFound : ErrorCode::kPermissionDenied;
      return {code, fmt::format("trainer.command: cannot run '{}': {}", program, reason)};
    }
    case Step::kNetwork:
      return {ErrorCode::kFailedPrecondition,
              fmt::format("the kernel gives the trainer no empty network namespace ({}): allow unprivileged user "
                          "namespaces (user.max_user_namespaces > 0, kernel.unprivileged_userns_clone=1, "
                          "kernel.apparmor_restrict_unprivileged_userns=0)",
                          reason)};
    case Step::kLandlock:
      return {ErrorCode::kFailedPrecondition,
              fmt::format("the kernel refused the trainer's Landlock rules: {}", reason)};
    case Step::kPrivileges:
      return {ErrorCode::kFailedPrecondition, fmt::format("the kernel doesn't support no_new_privs: {}", reason)};
    case Step::kSystemCalls:
      return {
          ErrorCode::kFailedPrecondition,
          fmt::format(
              "the kernel refused the trainer's seccomp filter: {}{}", reason,
              failure.number == EBUSY
                  ? " (this container already has a filter that listens to system calls: run the client outside of it)"
                  : "")};
    case Step::kMemoryGroup:
      return {ErrorCode::kFailedPrecondition, fmt::format("the trainer cannot enter its cgroup: {}", reason)};
    case Step::kDescriptors:
    case Step::kSession:
    case Step::kCapabilities:
      break;
  }
  return {ErrorCode::kInternal, fmt::format("the trainer's process cannot be set up: {}", reason)};
}

/// Duplicates a descriptor to a number outside those that the child assigns; -1 stays -1.
Descriptor out_of_the_way(int fd) { return fd < 0 ? Descriptor() : Descriptor(fcntl(fd, F_DUPFD_CLOEXEC, kFirstFree)); }

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

std::array<char, 32> identity_map(unsigned id) {
  std::array<char, 32> text{};
  *fmt::format_to_n(text.data(), text.size() - 1, "{0} {0} 1", id).out = '\0';
  return text;
}

/// What was received through the report socket: a failure, a listener, or, at its end, neither.
struct Report {
  std::optional<Failure> failure;
  Descriptor listener;
};

Report next_report(int socket) {
  Failure failure{};
  iovec bytes{&failure, sizeof failure};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t count = -1;
  do {
    count = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (count < 0 && errno == EINTR);
  Report report;
  if (count != static_cast<ssize_t>(sizeof failure)) return report;
  if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr && header->cmsg_type == SCM_RIGHTS) {
    int listener = -1;
    std::memcpy(&listener, CMSG_DATA(header), sizeof listener);
    report.listener = Descriptor(listener);
  } else {
    report.failure = failure;
  }
  return report;
}

/// Waits until the child executes its program.
Result<void> await_exec(int socket, const std::string& program) {
  while (true) {
    const Report report = next_report(socket);
    if (report.failure) return fail(explain(*report.failure, program));
    if (!report.listener) return {};
    CONSILIUM_TRY(let_one_exec_pass(report.listener.get(), socket));
  }
}

/// Forks with all signals blocked, so that none of the daemon's handlers runs in the child.
pid_t fork_child(const ChildPlan& child) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = fork();
  if (pid == 0) run_child(child);
  const int fork_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = fork_error;
  return pid;
}

}  // namespace

Result<pid_t> launch(const LaunchPlan& plan) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return fail(ErrorCode::kInternal, fmt::format("the trainer's process: socketpair: {}", std::strerror(errno)));
  }
  const Descriptor report(ends[0]);
  Descriptor report_end(ends[1]);
  const Descriptor null_device(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Descriptor null = out_of_the_way(null_device.get());
  const Descriptor socket = out_of_the_way(plan.socket.get());
  const Descriptor decoder = out_of_the_way(plan.decoder.get());
  const Descriptor scratch = out_of_the_way(plan.scratch.get());
  const Descriptor log = out_of_the_way(plan.log.get());
  const Descriptor ruleset = out_of_the_way(plan.ruleset.get());
  const Descriptor group = out_of_the_way(plan.memory_group.get());
  Descriptor report_moved = out_of_the_way(report_end.get());
  report_end.close();
  const auto arguments = pointers(plan.arguments);
  const auto environment = pointers(plan.environment);
  std::vector<sock_filter> filter = plan.decoder_filter ? decoder_launch_filter() : launch_filter(plan.gpu);
  const ChildPlan child{plan.program.c_str(),
                        arguments.data(),
                        environment.data(),
                        null.get(),
                        socket.get(),
                        decoder.get(),
                        scratch.get(),
                        log.get(),
                        ruleset.get(),
                        group.get(),
                        report_moved.get(),
                        plan.scratch_bytes,
                        plan.require_confinement,
                        filter,
                        getpid(),
                        identity_map(geteuid()),
                        identity_map(getegid())};

  const pid_t pid = fork_child(child);
  if (pid < 0) {
    return fail(ErrorCode::kResourceExhausted, fmt::format("the trainer's process: fork: {}", std::strerror(errno)));
  }
  report_moved.close();
  if (auto running = await_exec(report.get(), plan.program); !running) {
    kill(pid, SIGKILL);
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return fail(std::move(running).error());
  }
  return pid;
}

}  // namespace consilium::trainer
