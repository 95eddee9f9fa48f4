#include "coordinator/service/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

namespace consilium::service {
namespace {

using Clock = std::chrono::steady_clock;
using files::Descriptor;

/// How often the log says that connections are refused.
constexpr std::chrono::minutes kWarnEvery{1};
/// A failed accept() that isn't the peer's fault is tried again after so long.
constexpr std::chrono::milliseconds kPause{50};

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

/// Splits HOST:PORT, where HOST may be an IPv6 address in brackets.
Result<Addresses> addresses_of(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  std::string host = colon == std::string::npos ? address : address.substr(0, colon);
  const std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int problem = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); problem != 0) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("coordinator.yaml: listen: cannot listen on {}: {}; name an address of this machine",
                            address, ::gai_strerror(problem)));
  }
  return Addresses(found, &::freeaddrinfo);
}

int port_of(const sockaddr_storage& address) {
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

/// Opens one address. @param port  taken by an earlier address where the configuration says 0; else 0
Descriptor open_one(const addrinfo& info, int port) {
  sockaddr_storage address{};
  std::memcpy(&address, info.ai_addr, info.ai_addrlen);
  if (port != 0 && port_of(address) == 0) {
    in_port_t& place = address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                                     : reinterpret_cast<sockaddr_in&>(address).sin_port;
    place = htons(static_cast<std::uint16_t>(port));
  }
  Descriptor socket(::socket(info.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int yes = 1, no = 0;
  if (!socket) return {};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (info.ai_family == AF_INET6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), info.ai_addrlen) != 0 ||
      ::listen(socket.get(), SOMAXCONN) != 0)
    return {};
  return socket;
}

/// How many descriptors this program may have open; looked up each time, for an administrator may change it.
int descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX) return INT_MAX;
  return static_cast<int>(limit.rlim_cur);
}

/// The loop of the accepting thread.
class Acceptor {
 public:
  Acceptor(const std::vector<Descriptor>& sockets, int wake, std::function<void(Descriptor)> take)
      : take_(std::move(take)), spare_(open_spare()) {
    for (const Descriptor& socket : sockets) watched_.push_back({socket.get(), POLLIN, 0});
    watched_.push_back({wake, POLLIN, 0});
  }

  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (::poll(watched_.data(), watched_.size(), -1) < 0) continue;
      for (std::size_t i = 0; i + 1 < watched_.size(); ++i) {
        if (watched_[i].revents != 0) accept_one(watched_[i].fd);
      }
    }
  }

 private:
  static Descriptor open_spare() { return Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

  void accept_one(int socket) {
    Descriptor connection(::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection) {
      if (errno == EMFILE || errno == ENFILE) refuse_with_spare(socket);
      return;
    }
    // The kernel gives the lowest free number, so the number says how many are in use.
    if (connection.get() >= descriptor_limit() - Listener::kReserve) return refuse();
    const int yes = 1;
    ::setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    take_(std::move(connection));
  }

  /// There is no descriptor to accept a connection with, and as long as it waits, poll() returns at once: the spare one
  /// is given up for it.
  void refuse_with_spare(int socket) {
    spare_ = {};
    const Descriptor refused(::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC));
    if (!refused) std::this_thread::sleep_for(kPause);
    refuse();
    spare_ = open_spare();
  }

  void refuse() {
    ++refused_;
    const auto now = Clock::now();
    if (warned_ && now - *warned_ < kWarnEvery) return;
    warned_ = now;
    spdlog::warn(
        "{} connections were refused: nearly all of the {} file descriptors that this program may have are in use; "
        "raise the limit (systemd: LimitNOFILE), or look who opens connections to this port",
        std::exchange(refused_, 0), descriptor_limit());
  }

  std::function<void(Descriptor)> take_;
  std::vector<pollfd> watched_;
  Descriptor spare_;
  std::uint64_t refused_ = 0;
  std::optional<Clock::time_point> warned_;
};

}  // namespace

Result<Listener> Listener::open(const std::string& address) {
  CONSILIUM_ASSIGN(const Addresses addresses, addresses_of(address));
  Listener listener;
  int problem = 0;
  for (const addrinfo* info = addresses.get(); info != nullptr; info = info->ai_next) {
    Descriptor socket = open_one(*info, listener.port_);
    if (!socket) {
      problem = errno;
      continue;
    }
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &size);
    listener.port_ = port_of(bound);
    listener.sockets_.push_back(std::move(socket));
  }
  if (listener.sockets_.empty()) {
    const bool taken = problem == EADDRINUSE;
    return fail(taken ? ErrorCode::kAlreadyExists : ErrorCode::kFailedPrecondition,
                fmt::format("coordinator.yaml: listen: cannot listen on {}: {}; {}", address, std::strerror(problem),
                            taken ? "another program has the port: stop it (ss -tlnp says which), or name another port"
                                  : "name an address of this machine, and a port that this user may have"));
  }
  return listener;
}

void Listener::start(std::function<void(Descriptor)> take) {
  thread_ = std::jthread([sockets = std::move(sockets_), take = std::move(take)](const std::stop_token& stop) {
    const Descriptor wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    const std::stop_callback on_stop(stop, [&wake] { ::eventfd_write(wake.get(), 1); });
    Acceptor(sockets, wake.get(), take).run(stop);
  });
}

}  // namespace consilium::service
