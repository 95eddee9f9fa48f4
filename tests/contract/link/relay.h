#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <thread>

namespace consilium::testing {

/// A TCP relay on loopback between a client and a server. It acts as an HTTP CONNECT proxy, or as a plain cable that a
/// test can cut.
class Relay {
 public:
  enum class Kind { kCable, kConnectProxy };

  /// @param target_port  the target of a cable; a proxy connects to the target that CONNECT names
  explicit Relay(Kind kind, int target_port = 0);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  [[nodiscard]] int port() const { return port_; }
  /// Returns the number of relayed connections.
  [[nodiscard]] unsigned connections() const { return connections_; }
  /// Returns the target of the last CONNECT: "host:port".
  [[nodiscard]] std::string connect_target();

  /// Cuts the connection that has carried `bytes` towards the server (or the client), once.
  void cut_after_upstream(std::int64_t bytes) { upstream_left_ = bytes; }
  void cut_after_downstream(std::int64_t bytes) { downstream_left_ = bytes; }
  /// Stops passing data in both directions without informing either end, like a network that has died.
  void freeze() { frozen_ = true; }
  /// Lets new connections pass again. Connections that were frozen stay frozen.
  void accept_again() {
    frozen_generation_ = generation_.load();
    frozen_ = false;
  }

 private:
  void accept_loop(const std::stop_token& stop);
  void carry(int client, unsigned generation, const std::stop_token& stop);
  [[nodiscard]] int reach(int client);
  [[nodiscard]] bool is_frozen(unsigned generation) const { return frozen_ || generation <= frozen_generation_; }

  const Kind kind_;
  const int target_port_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<unsigned> connections_ = 0;
  std::atomic<unsigned> generation_ = 0;
  std::atomic<unsigned> frozen_generation_ = 0;
  std::atomic<std::int64_t> upstream_left_ = -1;
  std::atomic<std::int64_t> downstream_left_ = -1;
  std::atomic<bool> frozen_ = false;
  std::mutex mutex_;
  std::string connect_target_;
  std::list<std::jthread> carriers_;
  std::jthread acceptor_;
};

}  // namespace consilium::testing
