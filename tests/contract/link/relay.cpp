#include "tests/contract/link/relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <vector>

namespace consilium::testing {

namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool send_all(int socket, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t count = ::send(socket, data, size, MSG_NOSIGNAL);
    if (count <= 0) return false;
    data += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

/// Closes the connection with a reset, as if it broke.
void break_off(int socket) {
  const linger hard{1, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  ::close(socket);
}

/// Counts down. Returns true when it is time to cut.
bool spent(std::atomic<std::int64_t>& left, ssize_t bytes) {
  if (left < 0) return false;
  left -= bytes;
  return left < 0;
}

}  // namespace

Relay::Relay(Kind kind, int target_port) : kind_(kind), target_port_(target_port) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no port for a relay");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this](const std::stop_token& stop) { accept_loop(stop); });
}

Relay::~Relay() {
  acceptor_.request_stop();
  acceptor_.join();
  carriers_.clear();
  ::close(listener_);
}

std::string Relay::connect_target() {
  const std::lock_guard lock(mutex_);
  return connect_target_;
}

void Relay::accept_loop(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    pollfd waiting{listener_, POLLIN, 0};
    if (::poll(&waiting, 1, 20) <= 0) continue;
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const unsigned generation = ++generation_;
    carriers_.emplace_back(
        [this, client, generation](const std::stop_token& ended) { carry(client, generation, ended); });
  }
}

int Relay::reach(int client) {
  int port = target_port_;
  if (kind_ == Kind::kConnectProxy) {
    std::string head;
    for (char byte = 0; head.find("\r\n\r\n") == std::string::npos && head.size() < 4096;) {
      if (::recv(client, &byte, 1, 0) != 1) return -1;
      head += byte;
    }
    if (!head.starts_with("CONNECT ")) return -1;
    const std::string target = head.substr(8, head.find(' ', 8) - 8);
    port = std::stoi(target.substr(target.rfind(':') + 1));
    const std::lock_guard lock(mutex_);
    connect_target_ = target;
  }
  const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(server);
    return -1;
  }
  constexpr std::string_view kEstablished = "HTTP/1.1 200 Connection established\r\n\r\n";
  if (kind_ == Kind::kConnectProxy) send_all(client, kEstablished.data(), kEstablished.size());
  return server;
}

void Relay::carry(int client, unsigned generation, const std::stop_token& stop) {
  const int server = reach(client);
  if (server < 0) {
    break_off(client);
    return;
  }
  ++connections_;
  std::vector<char> buffer(1 << 16);
  bool open = true;
  while (open && !stop.stop_requested()) {
    std::array<pollfd, 2> waiting{{{client, POLLIN, 0}, {server, POLLIN, 0}}};
    if (::poll(waiting.data(), waiting.size(), 20) <= 0) continue;
    if (is_frozen(generation)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      continue;
    }
    for (const bool upstream : {true, false}) {
      const int from = upstream ? client : server;
      if (open && waiting[upstream ? 0 : 1].revents != 0) {
        const ssize_t count = ::recv(from, buffer.data(), buffer.size(), 0);
        open = count > 0 && send_all(upstream ? server : client, buffer.data(), static_cast<std::size_t>(count)) &&
               !spent(upstream ? upstream_left_ : downstream_left_, count);
      }
    }
  }
  break_off(client);
  break_off(server);
}

}  // namespace consilium::testing
