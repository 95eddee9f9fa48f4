#include "client/trainer_process/launch_filter.h"

#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spdlog/fmt/fmt.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "common/process/system_call_filter.h"

namespace consilium::trainer {

namespace {

using process::SystemCallFilter;

constexpr std::array kDeniedToAll{
    // Other processes.
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_process_mrelease,
    SYS_kcmp,
    SYS_pidfd_open,
    SYS_pidfd_getfd,
    SYS_pidfd_send_signal,
    // Signals to other processes: the client runs as the same user, and each SIGHUP makes it answer the coordinator
    // once more. Landlock restricts signals only since Linux 6.12. abort() needs tgkill, which is handled below.
    SYS_kill,
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    // Namespaces and mounts.
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_open_by_handle_at,
    // The kernel's key rings, and interfaces that attacks on kernels often start with.
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_fanotify_init,
    // The machine.
    SYS_kexec_load,
    SYS_kexec_file_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    // The trainer's socket is a connected stream, which needs none of these. Without connect(), no Unix socket with a
    // path can be reached; without datagram sockets (below), nothing can be sent to one either.
    SYS_connect,
    // Exec by descriptor. The listener decides about exec by path.
    SYS_execveat,
    // Memory that no process need have mapped, and that is therefore charged to none.
    SYS_memfd_secret,
// New processes; clone is handled below.
#ifdef SYS_fork
    SYS_fork,
    SYS_vfork,
#endif
};

/// Calls that CUDA's driver may use while it starts. A trainer without a GPU doesn't need them.
constexpr std::array kDeniedWithoutGpu{SYS_socket,  SYS_socketpair,   SYS_bind,   SYS_listen, SYS_accept,
                                       SYS_accept4, SYS_memfd_create, SYS_shmget, SYS_msgget};

constexpr std::uint32_t kNewNamespaces =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr std::uint32_t kSocketType = 0xF;  // the other bits of the type are flags
/// Placeholder for the trainer's own process id, which is known only after the fork. No process has this id.
constexpr std::uint32_t kOwnProcess = 0x7FFFFFFF;

/// Allows Unix stream sockets and netlink sockets, both without connect().
void allow_sockets_of_cuda(SystemCallFilter& filter) {
  for (const int call : {SYS_socket, SYS_socketpair}) {
    filter.allow_when(call, {{0, AF_UNIX}, {1, SOCK_STREAM, kSocketType}});
    filter.allow_when(call, {{0, AF_UNIX}, {1, SOCK_SEQPACKET, kSocketType}});
  }
  filter.allow_when(SYS_socket, {{0, AF_NETLINK}});
  filter.deny(SYS_socket);      // check: filter-socket
  filter.deny(SYS_socketpair);  // check: filter-socketpair
}

/// The flags that fork() passes to clone.
constexpr std::uint32_t kFork = CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD;

/// Allows what the decoder's parent process needs to start its workers.
void allow_workers(SystemCallFilter& filter) {
  filter.allow_when(SYS_clone, {{0, kFork}});
  filter.allow_when(SYS_socketpair, {{0, AF_UNIX}, {1, SOCK_STREAM, kSocketType}});
  filter.deny(SYS_setsid);   // check: filter-session
  filter.deny(SYS_setpgid);  // check: filter-group
}

void deny_to_all(SystemCallFilter& filter) {
  filter.deny_all(kDeniedToAll);  // check: filter-calls
  // clone3's flags are behind a pointer, where no filter can see them. On ENOSYS, C libraries assume an old kernel and
  // call clone.
  filter.deny(SYS_clone3, ENOSYS);  // check: filter-clone3
  filter.allow_when(SYS_clone, {{0, CLONE_THREAD, CLONE_THREAD | kNewNamespaces}});
  filter.deny(SYS_clone);  // check: filter-clone
  filter.allow_when(SYS_tgkill, {{0, kOwnProcess}});
  filter.deny(SYS_tgkill);                     // check: filter-signals
  filter.allow_when(SYS_prlimit64, {{0, 0}});  // its own limits
  filter.deny(SYS_prlimit64);                  // check: filter-limits
}

}  // namespace

std::vector<sock_filter> decoder_launch_filter() {
  SystemCallFilter filter;
  allow_workers(filter);
  deny_to_all(filter);
  filter.deny_all(kDeniedWithoutGpu);  // check: filter-decoder
  filter.ask_listener(SYS_execve);     // check: filter-decoder-exec
  return filter.program();
}

std::vector<sock_filter> launch_filter(bool gpu) {
  SystemCallFilter filter;
  deny_to_all(filter);
  if (gpu) {
    allow_sockets_of_cuda(filter);
  } else {
    filter.deny_all(kDeniedWithoutGpu);  // check: filter-without-gpu
  }
  filter.ask_listener(SYS_execve);  // check: filter-exec
  return filter.program();
}

void name_own_process(std::span<sock_filter> filter, pid_t process) {
  for (sock_filter& instruction : filter) {
    if (instruction.code == (BPF_JMP | BPF_K | BPF_JEQ) && instruction.k == kOwnProcess)
      instruction.k = static_cast<std::uint32_t>(process);
  }
}

int install_launch_filter(std::span<const sock_filter> filter) {
  const sock_fprog program{static_cast<unsigned short>(filter.size()), const_cast<sock_filter*>(filter.data())};
  return static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

int install_launch_filter_without_listener(std::span<sock_filter> filter) {
  for (sock_filter& instruction : filter) {
    if (instruction.code == (BPF_RET | BPF_K) && instruction.k == SECCOMP_RET_USER_NOTIF) {
      instruction.k = SECCOMP_RET_ALLOW;
    }
  }
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0 ? 0 : errno;
}

namespace {

/// Holds what this kernel sends to a listener, or the reply. Later kernels may use longer structures.
struct alignas(8) Message {
  std::array<std::byte, 512> bytes{};
  template <class T>
  T& as() {
    return *reinterpret_cast<T*>(bytes.data());
  }
};

Error listener_failed(const char* step) {
  return {ErrorCode::kInternal,
          fmt::format("the listener of the trainer's seccomp filter: {}: {}", step, std::strerror(errno))};
}

}  // namespace

Result<void> let_one_exec_pass(int listener, int report) {
  seccomp_notif_sizes sizes{};
  if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0 || sizes.seccomp_notif > sizeof(Message) ||
      sizes.seccomp_notif_resp > sizeof(Message)) {
    return fail(listener_failed("sizes"));
  }
  while (true) {
    std::array<pollfd, 2> wait{pollfd{listener, POLLIN, 0}, pollfd{report, POLLIN, 0}};
    if (poll(wait.data(), wait.size(), -1) < 0 && errno != EINTR) return fail(listener_failed("poll"));
    if ((wait[0].revents & POLLIN) == 0) {
      if (wait[0].revents != 0 || wait[1].revents != 0) return {};  // the child ended before its exec
      continue;
    }
    Message asked;
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) {
      if (errno == EINTR || errno == ENOENT) continue;  // the child was interrupted and will ask again
      return fail(listener_failed("receive"));
    }
    Message answer;
    answer.as<seccomp_notif_resp>().id = asked.as<seccomp_notif>().id;
    answer.as<seccomp_notif_resp>().flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0) return {};
    if (errno != EINTR && errno != ENOENT) return fail(listener_failed("answer"));
  }
}

}  // namespace consilium::trainer
