#include "tests/trainers/rogue_probes.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

extern char** environ;

namespace consilium::rogue {

namespace {

std::string outcome(bool reached, const std::string& detail = "") {
  if (reached) return "reached: " + detail;
  return std::string("refused: ") + std::strerror(errno);
}

std::string read_file(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY);
  char bytes[64]{};
  const ssize_t count = fd < 0 ? -1 : read(fd, bytes, sizeof bytes - 1);
  return outcome(count >= 0, bytes);
}

std::string write_file(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT, 0600);
  return outcome(fd >= 0);
}

/// Fills the scratch file with this many bytes.
std::string fill_scratch(const std::string& bytes) {
  const std::string data(static_cast<std::size_t>(std::stoull(bytes)), 'x');
  std::size_t done = 0;
  while (done < data.size()) {
    const ssize_t count = pwrite(5, data.data() + done, data.size() - done, static_cast<off_t>(done));
    if (count <= 0) return outcome(false);
    done += static_cast<std::size_t>(count);
  }
  return outcome(true, std::to_string(done));
}

std::string list_folder(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY);
  return outcome(fd >= 0);
}

std::string connect_tcp(const std::string& port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return outcome(fd >= 0 && connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
}

/// Landlock's network rules don't cover UDP: only the network namespace stops it.
std::string send_udp(const std::string& port) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return outcome(fd >= 0 && sendto(fd, "x", 1, 0, reinterpret_cast<sockaddr*>(&address), sizeof address) == 1);
}

std::string connect_abstract(const std::string& name) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), std::min(name.size(), sizeof address.sun_path - 1));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return outcome(fd >= 0 && connect(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
}

/// Opens a socket of a family given by its number. AF_VSOCK is the important one, because no network namespace contains
/// it.
std::string open_socket(const std::string& family) { return outcome(socket(std::stoi(family), SOCK_STREAM, 0) >= 0); }

/// Asks for an io_uring with impossible parameters. EFAULT shows that the kernel would have accepted the call.
std::string set_up_uring(const std::string&) {
  const long result = syscall(SYS_io_uring_setup, 1, nullptr);
  return outcome(result >= 0 || errno == EFAULT);
}

std::string attach_to(const std::string& pid) {
  const auto target = static_cast<pid_t>(std::stol(pid));
  const bool reached = ptrace(PTRACE_SEIZE, target, nullptr, nullptr) == 0;
  return outcome(reached);
}

std::string signal_to(const std::string& pid) { return outcome(::kill(static_cast<pid_t>(std::stol(pid)), 0) == 0); }

/// Executes a program in a child. If no child can be created, executes it in its own place, which ends the probe if it
/// succeeds.
template <class Exec>
std::string try_exec(const Exec& exec) {
  const pid_t child = fork();
  if (child < 0) {
    exec();
    return outcome(false);
  }
  if (child == 0) {
    exec();
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  errno = EACCES;
  return outcome(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

std::string run_program(const std::string& path) {
  return try_exec([&path] { execl(path.c_str(), path.c_str(), nullptr); });
}

/// A program that exists only in memory lies in no folder that rules cover. Tries it by descriptor, and by its name in
/// /proc.
std::string run_memory(const std::string& program) {
  const int file = open(program.c_str(), O_RDONLY);
  const int memory = memfd_create("program", 0);
  struct stat status {};
  if (file < 0 || memory < 0 || fstat(file, &status) != 0) return outcome(false);
  if (sendfile(memory, file, nullptr, static_cast<std::size_t>(status.st_size)) < 0) return outcome(false);
  const std::string name = "/proc/self/fd/" + std::to_string(memory);
  std::string arguments[] = {"true"};
  char* argv[] = {arguments[0].data(), nullptr};
  return try_exec([&] {
    execve(name.c_str(), argv, environ);
    syscall(SYS_execveat, memory, "", argv, environ, AT_EMPTY_PATH);
  });
}

/// Forks this many times; the children end at once.
std::string fork_often(const std::string& times) {
  for (int left = std::stoi(times); left > 0; --left) {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    if (child < 0) return outcome(false);
    waitpid(child, nullptr, 0);
  }
  return outcome(true);
}

/// Creates a child in a user namespace of its own, by clone and by clone3.
std::string clone_namespace(const std::string&) {
  const long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
  if (child == 0) _exit(0);
  if (child > 0) waitpid(static_cast<pid_t>(child), nullptr, 0);
  return outcome(child > 0);
}

/// Asks for clone3 with arguments that no kernel accepts. EINVAL shows that the kernel would have considered others.
std::string call_clone3(const std::string&) {
  const long result = syscall(SYS_clone3, nullptr, 0);
  return outcome(result >= 0 || errno == EINVAL);
}

std::string limits_of(const std::string& pid) {
  rlimit limit{};
  return outcome(prlimit(static_cast<pid_t>(std::stol(pid)), RLIMIT_NOFILE, nullptr, &limit) == 0);
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
  return address;
}

std::string connect_unix(const std::string& path) {
  const sockaddr_un address = unix_address(path);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  return outcome(fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

/// A datagram socket needs no connect to send. A socket of a pair, or one opened as raw, is a datagram socket too.
std::string send_unix(const std::string& path) {
  const sockaddr_un address = unix_address(path);
  std::array<int, 2> pair{-1, -1};
  static_cast<void>(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair.data()));
  for (const int fd : {socket(AF_UNIX, SOCK_DGRAM, 0), socket(AF_UNIX, SOCK_RAW, 0), pair[0]}) {
    if (fd >= 0 && sendto(fd, "x", 1, 0, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 1)
      return outcome(true);
  }
  return outcome(false);
}

/// Makes system calls by their numbers, "1 2 3", with arguments that none of them accepts. Lists those that the kernel
/// processed: any error but EPERM and ENOSYS.
std::string make_calls(const std::string& numbers) {
  std::istringstream words(numbers);
  std::string reached;
  for (long call = 0; words >> call;) {
    errno = 0;
    const long result = syscall(call, -1L, -1L, -1L, -1L, -1L, -1L);
    if (result >= 0 || (errno != EPERM && errno != ENOSYS)) reached += std::to_string(call) + " ";
  }
  return reached.empty() ? "none" : reached;
}

std::string open_descriptors() {
  std::string numbers;
  for (int fd = 0; fd < 4096; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) numbers += std::to_string(fd) + " ";
  }
  return numbers;
}

/// Prints the lines of /proc/self/status about privileges, the session, and the core limit.
std::string privileges() {
  std::ifstream file("/proc/self/status");
  std::string line;
  std::string text;
  while (std::getline(file, line)) {
    if (line.starts_with("NoNewPrivs") || line.starts_with("CapEff") || line.starts_with("CapPrm") ||
        line.starts_with("CapBnd")) {
      text += line + "\n";
    }
  }
  rlimit core{};
  getrlimit(RLIMIT_CORE, &core);
  return text + "core " + std::to_string(core.rlim_max) + "\nsession " + (getsid(0) == getpid() ? "own" : "shared");
}

std::string environment() {
  std::string names;
  for (char** entry = environ; *entry != nullptr; ++entry) names += std::string(*entry).substr(0, 512) + "\n";
  return names;
}

std::string network_namespace() {
  char link[128]{};
  const ssize_t count = readlink("/proc/self/ns/net", link, sizeof link - 1);
  return count > 0 ? link : outcome(false);
}

}  // namespace

std::string probe(const std::string& name, const std::string& target) {
  using Probe = std::string (*)(const std::string&);
  static const std::map<std::string, Probe> probes{
      {"read", read_file},
      {"write", write_file},
      {"scratch", fill_scratch},
      {"list", list_folder},
      {"tcp", connect_tcp},
      {"udp", send_udp},
      {"abstract", connect_abstract},
      {"ptrace", attach_to},
      {"signal", signal_to},
      {"exec", run_program},
      {"socket", open_socket},
      {"uring", set_up_uring},
      {"fork", fork_often},
      {"clone", clone_namespace},
      {"clone3", call_clone3},
      {"limits", limits_of},
      {"unix-stream", connect_unix},
      {"unix-datagram", send_unix},
      {"exec-memory", run_memory},
      {"calls", make_calls},
      {"descriptors", [](const std::string&) { return open_descriptors(); }},
      {"privileges", [](const std::string&) { return privileges(); }},
      {"environment", [](const std::string&) { return environment(); }},
      {"network", [](const std::string&) { return network_namespace(); }},
      {"memory",
       [](const std::string& pid) { return outcome(open(("/proc/" + pid + "/mem").c_str(), O_RDONLY) >= 0); }},
  };
  const auto found = probes.find(name);
  return found == probes.end() ? "no such probe" : found->second(target);
}

}  // namespace consilium::rogue
