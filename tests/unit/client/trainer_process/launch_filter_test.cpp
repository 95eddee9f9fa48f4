// The filter that the daemon installs before any trainer runs. As in confinement_test.cpp, a blocked call must be
// possible without the filter.

#include "client/trainer_process/launch_filter.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <sstream>

#include "tests/unit/client/trainer_process/probes.h"

using namespace consilium;
using namespace consilium::trainer;

namespace {

/// Calls that are blocked for every trainer. They are harmless with arguments of -1 if they are allowed.
constexpr std::array kShut{SYS_ptrace,
                           SYS_process_vm_readv,
                           SYS_process_vm_writev,
                           SYS_process_madvise,
                           SYS_process_mrelease,
                           SYS_kcmp,
                           SYS_pidfd_open,
                           SYS_pidfd_getfd,
                           SYS_pidfd_send_signal,
                           SYS_kill,
                           SYS_tkill,
                           SYS_tgkill,
                           SYS_rt_sigqueueinfo,
                           SYS_rt_tgsigqueueinfo,
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
                           SYS_kexec_load,
                           SYS_kexec_file_load,
                           SYS_init_module,
                           SYS_finit_module,
                           SYS_delete_module,
                           SYS_reboot,
                           SYS_swapon,
                           SYS_swapoff,
                           SYS_acct,
                           SYS_connect,
                           SYS_execveat,
                           SYS_memfd_secret,
                           SYS_prlimit64};
/// Calls that are also blocked if the trainer has no GPU.
constexpr std::array kShutWithoutGpu{SYS_socket,  SYS_socketpair,   SYS_bind,   SYS_listen, SYS_accept,
                                     SYS_accept4, SYS_memfd_create, SYS_shmget, SYS_msgget};

template <std::size_t size>
std::string text_of(const std::array<int, size>& calls) {
  std::string text;
  for (const int call : calls) text += std::to_string(call) + " ";
  return text;
}

std::size_t count_words(const std::string& text) {
  std::istringstream words(text);
  std::size_t count = 0;
  for (std::string word; words >> word;) ++count;
  return count;
}

/// A Unix socket with a path.
struct PathSocket {
  PathSocket(const TemporaryFolder& folder, int type)
      : path((folder.path() / "socket").string()), socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    if (type == SOCK_STREAM) REQUIRE(listen(socket.get(), 8) == 0);
  }
  std::string path;
  Descriptor socket;
};

}  // namespace

TEST_CASE("a trainer can't fork 10,000 times, not even once, and may have threads") {
  check_shut("fork", "10000");
  CHECK(confined_probe("fork", "1") == "refused: Operation not permitted");
}

TEST_CASE("a trainer makes no namespace, neither by clone nor by clone3, which no filter can look into") {
  check_shut("clone", "");
  check_shut("clone3", "");
  CHECK(confined_probe("clone3", "") == "refused: Function not implemented");
}

TEST_CASE("a trainer executes no program of memory, by descriptor or by /proc") {
  check_shut("exec-memory", "/bin/true");
}

TEST_CASE("a trainer reads its own limits, and no other process's") {
  check_shut("limits", std::to_string(getpid()));
  CHECK_THAT(confined_probe("limits", "0"), Catch::StartsWith("reached"));
}

TEST_CASE("a trainer reaches no Unix socket that has a path") {
  const TemporaryFolder folder;
  const int type = GENERATE(SOCK_STREAM, SOCK_DGRAM);
  const PathSocket socket(folder, type);
  check_shut(type == SOCK_STREAM ? "unix-stream" : "unix-datagram", socket.path);
}

TEST_CASE("a trainer is refused the system calls that its work has no use for") {
  const std::string calls = text_of(kShut);
  const std::string free = free_probe("calls", calls);
  CAPTURE(free);
  // As root nearly all calls are allowed. Calls that this kernel lacks, or that the user may not make, are blocked for
  // everybody.
  CHECK(count_words(free) >= (geteuid() == 0 ? kShut.size() - 12 : kShut.size() / 2));
  CHECK(confined_probe("calls", calls, {}, "auto") == "none");
  CHECK(confined_probe("calls", calls, {}, "cpu") == "none");
  const std::string for_gpu = text_of(kShutWithoutGpu);
  CHECK(count_words(free_probe("calls", for_gpu)) == kShutWithoutGpu.size());
  CHECK(confined_probe("calls", for_gpu, {}, "cpu") == "none");
}

TEST_CASE("a call of another system call table kills the trainer") {
  const std::string table = GENERATE("x32", "i386");
  Vectors vectors;
  TrainerProcess trainer(rogue({"foreign-table", table}));
  const auto trained = train_once(trainer, vectors);
  REQUIRE_FALSE(trained.has_value());
  // On a kernel without the i386 table the call causes a fault instead.
  const bool has_fault = table == "i386" && trained.error().message.find("SIGSEGV") != std::string::npos;
  if (!has_fault) CHECK_THAT(trained.error().message, Catch::Contains("killed by signal 31 (SIGSYS)"));
}
