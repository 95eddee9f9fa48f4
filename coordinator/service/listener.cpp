#include "coordinator/service/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/fmt/fmt.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdint>
#include <cstring>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "common/logging/event.h"

namespace consilium::service {
namespace {

using Clock = std::chrono::steady_clock;
using files::Descriptor;

/// How often the log tells of refused connections.
constexpr std::chrono::minutes kWarnEvery{1};
/// The pause before a failed accept() is tried again.
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

/// The loop of the accepting thread. A connection is handed over when its first bytes have arrived; until then it costs
/// a descriptor and nothing else.
class Acceptor {
 public:
  Acceptor(const std::vector<Descriptor>& sockets, int wake, std::function<void(Descriptor)> take)
      : take_(std::move(take)), events_(::epoll_create1(EPOLL_CLOEXEC)), wake_(wake), spare_(open_spare()) {
    for (const Descriptor& socket : sockets) {
      listening_.insert(socket.get());
      watch(socket.get(), EPOLLIN);
    }
    watch(wake, EPOLLIN);
  }

  void run(const std::stop_token& stop) {
    std::array<epoll_event, 64> ready{};
    while (!stop.stop_requested()) {
      const int count = ::epoll_wait(events_.get(), ready.data(), static_cast<int>(ready.size()), wait_milliseconds());
      for (int i = 0; i < count; ++i) {
        const int descriptor = ready[static_cast<std::size_t>(i)].data.fd;
        if (listening_.contains(descriptor))
          accept_one(descriptor);
        else if (descriptor != wake_)
          hand_over(descriptor);
      }
      const auto now = Clock::now();
      while (!silent_.empty() && now >= silent_.front().until) close_oldest();
    }
  }

 private:
  /// A connection over which nothing has arrived yet.
  struct Silent {
    Descriptor connection;
    Clock::time_point until;
  };

  static Descriptor open_spare() { return Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

  bool watch(int descriptor, std::uint32_t what) {
    epoll_event event{};
    event.events = what;
    event.data.fd = descriptor;
    return ::epoll_ctl(events_.get(), EPOLL_CTL_ADD, descriptor, &event) == 0;
  }

  /// Returns the time until the oldest silent connection is closed, or -1 (for ever) if there is none.
  [[nodiscard]] int wait_milliseconds() const {
    if (silent_.empty()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(silent_.front().until - Clock::now());
    return static_cast<int>(std::max<std::chrono::milliseconds::rep>(left.count(), 0));
  }

  void accept_one(int socket) {
    Descriptor connection(::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection) {
      if (errno == EMFILE || errno == ENFILE) make_room(socket);
      return;
    }
    // The kernel gives the lowest free number, so the number says how many are in use.
    if (connection.get() >= descriptor_limit() - Listener::kReserve) {
      if (silent_.empty()) return refuse();
      close_oldest();
    }
    if (silent_.size() >= Listener::kMaxSilent) close_oldest();
    const int yes = 1;
    ::setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (!watch(connection.get(), EPOLLIN)) return refuse();
    const int descriptor = connection.get();
    places_[descriptor] = silent_.insert(silent_.end(), {std::move(connection), Clock::now() + Listener::kSilence});
  }

  void hand_over(int descriptor) {
    const auto place = places_.find(descriptor);
    if (place == places_.end()) return;  // it was closed after the kernel had reported it
    ::epoll_ctl(events_.get(), EPOLL_CTL_DEL, descriptor, nullptr);
    Descriptor connection = std::move(place->second->connection);
    silent_.erase(place->second);
    places_.erase(place);
    char byte = 0;
    if (::recv(connection.get(), &byte, 1, MSG_PEEK) == 1) take_(std::move(connection));
  }

  void close_oldest() {
    places_.erase(silent_.front().connection.get());
    silent_.pop_front();
    ++dropped_;
    warn();
  }

  /// Frees a descriptor when there is none to accept a waiting connection with. While that connection waits, the kernel
  /// reports the socket again and again, so the spare descriptor is given up to accept and close it.
  void make_room(int socket) {
    if (!silent_.empty()) return close_oldest();
    spare_ = {};
    const Descriptor refused(::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC));
    if (!refused) std::this_thread::sleep_for(kPause);
    refuse();
    spare_ = open_spare();
  }

  void refuse() {
    ++refused_;
    warn();
  }

  /// Logs how many connections were refused or closed, at most once per kWarnEvery.
  void warn() {
    const auto now = Clock::now();
    if (warned_ && now - *warned_ < kWarnEvery) return;
    warned_ = now;
    if (dropped_ > 0) {
      logging::event(logging::Event::kConnectionsClosed, {},
                     fmt::format("{} connections were closed because nothing had arrived over them; find out which "
                                 "machines open them",
                                 std::exchange(dropped_, 0)));
    }
    if (refused_ > 0) {
      logging::event(logging::Event::kConnectionsRefused, {},
                     fmt::format("{} connections were refused: nearly all of the {} file descriptors that this program "
                                 "may have are in use; raise the limit (systemd: LimitNOFILE), or find out who opens "
                                 "connections to this port",
                                 std::exchange(refused_, 0), descriptor_limit()));
    }
  }

  std::function<void(Descriptor)> take_;
  Descriptor events_;  ///< an epoll
  int wake_;
  std::set<int> listening_;
  std::list<Silent> silent_;  ///< the oldest first
  std::map<int, std::list<Silent>::iterator> places_;
  Descriptor spare_;
  std::uint64_t refused_ = 0;
  std::uint64_t dropped_ = 0;
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
    return fail(
        taken ? ErrorCode::kAlreadyExists : ErrorCode::kFailedPrecondition,
        fmt::format("coordinator.yaml: listen: cannot listen on {}: {}; {}", address, std::strerror(problem),
                    taken ? "another program uses this port: stop it (ss -tlnp shows which), or name another port"
                          : "name an address of this machine, and a port that this user may open"));
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
