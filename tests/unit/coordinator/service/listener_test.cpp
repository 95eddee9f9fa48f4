#include "coordinator/service/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/catch.h"

namespace consilium::service {
namespace {

using files::Descriptor;

/// Takes every free number below the highest one in use, so that the next descriptors get consecutive numbers.
std::vector<Descriptor> without_gaps() {
  int highest = 0;
  for (int fd = 0; fd < 1024; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) highest = fd;
  }
  std::vector<Descriptor> fillers;
  do fillers.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  while (fillers.back().get() < highest);
  return fillers;
}

/// Lowers this program's limit of descriptors during its lifetime.
class Limit {
 public:
  explicit Limit(int most) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit lower{static_cast<rlim_t>(most), before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &lower) == 0);
  }
  ~Limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  Limit(const Limit&) = delete;
  Limit& operator=(const Limit&) = delete;

 private:
  rlimit before_{};
};

/// Connections that a listener has handed over.
struct Taken {
  void add(Descriptor connection) {
    const std::lock_guard lock(mutex);
    connections.push_back(std::move(connection));
    changed.notify_all();
  }
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return connections.size() == count; });
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Descriptor> connections;
};

/// Connects, and sends nothing.
Descriptor connect_silently(int port) {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return socket;
}

/// Connects, and sends a first byte, as a TLS client does.
Descriptor connect_to(int port) {
  Descriptor socket = connect_silently(port);
  REQUIRE(::send(socket.get(), "x", 1, MSG_NOSIGNAL) == 1);
  return socket;
}

/// Waits until the other end has closed a connection over which nothing was sent.
bool is_closed(const Descriptor& socket) {
  char byte = 0;
  return ::read(socket.get(), &byte, 1) <= 0;
}

TEST_CASE("a listener keeps descriptors back, closes what comes beyond them, and serves again when some are free") {
  Taken taken;
  auto listener = Listener::open("127.0.0.1:0").value();
  REQUIRE(listener.port() > 0);
  listener.start([&](Descriptor connection) { taken.add(std::move(connection)); });
  // Makes a first connection, so that everything that the thread opens is open.
  std::vector<Descriptor> clients;
  clients.push_back(connect_to(listener.port()));
  taken.wait_for(1);
  {
    // Both ends are in this process, so a pair takes two descriptors. Three pairs fit, and then a client's end.
    const std::vector<Descriptor> fillers = without_gaps();
    const Limit limit(fillers.back().get() + 1 + 6 + Listener::kReserve);
    for (std::size_t i = 0; i < 3; ++i) {
      clients.push_back(connect_to(listener.port()));
      taken.wait_for(clients.size());
    }
    for (int i = 0; i < 5; ++i) CHECK(is_closed(connect_to(listener.port())));
    CHECK(taken.connections.size() == 4);
    taken.connections.pop_back();
    taken.connections.pop_back();
    clients.push_back(connect_to(listener.port()));
    taken.wait_for(3);
  }
}

// UndefinedBehaviorSanitizer opens a pipe to determine whether an object's memory is readable. If no descriptor is
// free, it reports every object as invalid. Other builds run this test.
#if defined(__clang__)
#if __has_feature(undefined_behavior_sanitizer)
#define CONSILIUM_SANITIZER_NEEDS_DESCRIPTORS
#endif
#endif
#ifndef CONSILIUM_SANITIZER_NEEDS_DESCRIPTORS
TEST_CASE("a listener without a single free descriptor refuses, and accepts when there are some") {
  Taken taken;
  auto listener = Listener::open("127.0.0.1:0").value();
  listener.start([&](Descriptor connection) { taken.add(std::move(connection)); });
  const Descriptor first = connect_to(listener.port());
  taken.wait_for(1);
  {
    const Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(listener.port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const std::vector<Descriptor> fillers = without_gaps();
    const Limit none(fillers.back().get() + 1);
    REQUIRE(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    CHECK(is_closed(client));
  }
  const Descriptor second = connect_to(listener.port());
  taken.wait_for(2);
}
#endif

TEST_CASE("silent connections keep nobody out: the oldest is closed when descriptors run short") {
  Taken taken;
  auto listener = Listener::open("127.0.0.1:0").value();
  listener.start([&](Descriptor connection) { taken.add(std::move(connection)); });
  const Descriptor first = connect_to(listener.port());
  taken.wait_for(1);
  const std::vector<Descriptor> fillers = without_gaps();
  const Limit limit(fillers.back().get() + 1 + 8 + Listener::kReserve);
  std::vector<Descriptor> silent;
  for (int i = 0; i < 4; ++i) silent.push_back(connect_silently(listener.port()));
  const Descriptor speaking = connect_to(listener.port());
  taken.wait_for(2);
  CHECK(is_closed(silent.front()));
}

TEST_CASE("of more silent connections than are allowed the oldest are closed") {
  Taken taken;
  auto listener = Listener::open("127.0.0.1:0").value();
  listener.start([&](Descriptor connection) { taken.add(std::move(connection)); });
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  if (limit.rlim_cur < 2 * Listener::kMaxSilent + 256) return;  // this system doesn't let a process open this many
  std::vector<Descriptor> silent;
  for (std::size_t i = 0; i < Listener::kMaxSilent + 3; ++i) silent.push_back(connect_silently(listener.port()));
  for (std::size_t i = 0; i < 3; ++i) CHECK(is_closed(silent[i]));
  const Descriptor speaking = connect_to(listener.port());
  taken.wait_for(1);
  // The youngest connection still exists, and is handed over when it sends something.
  REQUIRE(::send(silent.back().get(), "x", 1, MSG_NOSIGNAL) == 1);
  taken.wait_for(2);
}

TEST_CASE("a connection that closes before it said anything isn't handed over") {
  Taken taken;
  auto listener = Listener::open("127.0.0.1:0").value();
  listener.start([&](Descriptor connection) { taken.add(std::move(connection)); });
  Descriptor gone = connect_silently(listener.port());
  gone = {};
  const Descriptor speaking = connect_to(listener.port());
  taken.wait_for(1);
  char byte = 0;
  CHECK(::recv(taken.connections.front().get(), &byte, 1, MSG_PEEK) == 1);
}

TEST_CASE("a port that is taken, and an address that doesn't exist, are told with the key") {
  const auto listener = Listener::open("127.0.0.1:0").value();
  const std::string same = "127.0.0.1:" + std::to_string(listener.port());
  CHECK_THAT(Listener::open(same).error().message, Catch::Contains(same) && Catch::Contains("another program") &&
                                                       Catch::Contains("coordinator.yaml: listen"));
  CHECK_THAT(Listener::open("no.such.host.invalid:1").error().message, Catch::Contains("no.such.host.invalid"));
}

}  // namespace
}  // namespace consilium::service
