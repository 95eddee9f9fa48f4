#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace consilium::service {

/// Counts each peer's operations in progress, and refuses any beyond a limit. Thread-safe.
class Slots {
 public:
  explicit Slots(unsigned limit) : limit_(limit) {}

  /// One operation in progress, which ends when this object is destroyed.
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
  /// Returns nullptr if the peer has reached the limit.
  [[nodiscard]] std::unique_ptr<Hold> take(const std::string& peer);

 private:
  const unsigned limit_;
  std::mutex mutex_;
  std::map<std::string, unsigned> counts_;
};

}  // namespace consilium::service
