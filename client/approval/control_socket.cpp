#include "client/approval/control_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>
#include <thread>
#include <utility>

#include "common/files/descriptor.h"

namespace consilium::approval {
namespace {

constexpr const char* kName = "control.sock";
constexpr timeval kPatience{10, 0};

using files::Descriptor;

tl::unexpected<Error> system_error(ErrorCode code, const std::filesystem::path& folder, const char* what) {
  return fail(code, (folder / kName).string() + ": " + what + ": " + std::strerror(errno));
}

/// Returns why no daemon can be reached: kPermissionDenied if this user may not connect, kNotFound if no daemon runs.
tl::unexpected<Error> no_answer(const std::filesystem::path& state_dir, const char* what) {
  if (errno != EACCES) return system_error(ErrorCode::kNotFound, state_dir, what);
  return fail(ErrorCode::kPermissionDenied, (state_dir / kName).string() +
                                                ": this user may not send commands to the client: run the command as "
                                                "root, or as the user that the client runs as (sudo -u USER)");
}

Descriptor folder_of(const std::filesystem::path& state_dir) {
  return Descriptor(::open(state_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

/// Returns the socket's address, using a path through its folder's descriptor: a path in a socket address holds at most
/// 107 bytes, but a state folder's path may be longer.
sockaddr_un address_in(const Descriptor& folder) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/proc/self/fd/" + std::to_string(folder.get()) + "/" + kName;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Descriptor stream_socket() { return Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

void limit_waiting(const Descriptor& connection) {
  ::setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
  ::setsockopt(connection.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
}

/// Reads until the other side has finished. Returns false if it sends too much, or nothing for too long.
bool read_all(const Descriptor& from, std::size_t limit, std::string& text) {
  std::array<char, 16384> part{};
  while (true) {
    const ssize_t count = ::recv(from.get(), part.data(), part.size(), 0);
    if (count == 0) return true;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 || text.size() + static_cast<std::size_t>(count) > limit) return false;
    text.append(part.data(), static_cast<std::size_t>(count));
  }
}

bool write_all(const Descriptor& to, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::send(to.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return ::shutdown(to.get(), SHUT_WR) == 0;
}

}  // namespace

class ControlSocket::Impl {
 public:
  Impl(Descriptor folder, Descriptor listener, Descriptor wake, Answer answer)
      : folder_(std::move(folder)),
        listener_(std::move(listener)),
        wake_(std::move(wake)),
        answer_(std::move(answer)),
        thread_([this] { run(); }) {}

  ~Impl() {
    const std::uint64_t one = 1;
    while (::write(wake_.get(), &one, sizeof(one)) < 0 && errno == EINTR) {
    }
    thread_.join();
    ::unlinkat(folder_.get(), kName, 0);
  }

 private:
  void run() {
    std::array<pollfd, 2> watched{pollfd{listener_.get(), POLLIN, 0}, pollfd{wake_.get(), POLLIN, 0}};
    while (true) {
      if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
      if (watched[1].revents != 0) return;
      if (watched[0].revents == 0) continue;
      const Descriptor connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (connection) serve(connection);
    }
  }

  void serve(const Descriptor& connection) {
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return;
    if (peer.uid != 0 && peer.uid != ::geteuid()) {
      return;  // check: peer-credentials
    }
    limit_waiting(connection);
    std::string request;
    if (read_all(connection, kMaxRequestBytes, request)) write_all(connection, answer_(request, user_name(peer.uid)));
  }

  Descriptor folder_;
  Descriptor listener_;
  Descriptor wake_;
  Answer answer_;
  std::thread thread_;
};

ControlSocket::ControlSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ControlSocket::~ControlSocket() = default;

Result<std::unique_ptr<ControlSocket>> ControlSocket::listen(const std::filesystem::path& state_dir, Answer answer) {
  Descriptor folder = folder_of(state_dir);
  if (!folder) return system_error(ErrorCode::kInternal, state_dir, "its folder can't be opened");
  ::unlinkat(folder.get(), kName, 0);
  Descriptor listener = stream_socket();
  const sockaddr_un address = address_in(folder);
  // The socket file inherits the listener's mode, so it is private from the start: nobody else can connect between
  // bind() and a later chmod().
  if (!listener || ::fchmod(listener.get(), 0600) != 0 ||
      ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(listener.get(), 8) != 0) {
    return system_error(ErrorCode::kInternal, state_dir, "the daemon can't listen");
  }
  Descriptor wake(::eventfd(0, EFD_CLOEXEC));
  if (!wake) return system_error(ErrorCode::kInternal, state_dir, "the daemon can't listen");
  return std::unique_ptr<ControlSocket>(new ControlSocket(
      std::make_unique<Impl>(std::move(folder), std::move(listener), std::move(wake), std::move(answer))));
}

Result<std::string> ask_daemon(const std::filesystem::path& state_dir, const std::string& request) {
  const Descriptor folder = folder_of(state_dir);
  const Descriptor connection = stream_socket();
  if (!folder || !connection) return no_answer(state_dir, "the daemon's folder can't be opened");
  const sockaddr_un address = address_in(folder);
  if (::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return no_answer(state_dir, "the daemon isn't running");
  }
  limit_waiting(connection);
  std::string answer;
  if (!write_all(connection, request) || !read_all(connection, kMaxAnswerBytes, answer) || answer.empty()) {
    return fail(ErrorCode::kPermissionDenied,
                "the daemon gave no answer; ask as root or as the user that it runs as (sudo consilium-client ...)");
  }
  return answer;
}

std::string request_text(const std::string& command, const std::string& job, const std::string& researcher) {
  using nlohmann::json;
  return json{{"command", command}, {"job", job}, {"researcher", researcher}}.dump(-1, ' ', false,
                                                                                   json::error_handler_t::replace);
}

std::string user_name(unsigned uid) {
  std::array<char, 4096> space{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, space.data(), space.size(), &found) == 0 && found != nullptr) return found->pw_name;
  return "uid " + std::to_string(uid);
}

}  // namespace consilium::approval
