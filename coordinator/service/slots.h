#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace consilium::service {

/// Counts what a peer has under way, and refuses more than a limit. Thread-safe.
class Slots {
 public:
  explicit Slots(unsigned limit) : limit_(limit) {}

  /// One thing under way; it ends with this object.
  class Hold {
   public:
    Hold(Slots& slots, std::string peer) : slots_(slots), peer_(std::move(peer)) {}
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    Slots& slots_;
    std::string peer_;
  };
  /// Null where the peer has as many as it may.
  [[nodiscard]] std::unique_ptr<Hold> take(const std::string& peer);

 private:
  const unsigned limit_;
  std::mutex mutex_;
  std::map<std::string, unsigned> counts_;
};

}  // namespace consilium::service
