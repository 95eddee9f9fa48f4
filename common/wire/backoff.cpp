#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <random>

#include "common/wire/bulk_transfer.h"

namespace consilium::wire {

Backoff::Backoff(std::chrono::milliseconds first, std::chrono::milliseconds last)
    : first_(first), last_(last), current_(first), random_(std::random_device{}()) {}

std::chrono::milliseconds Backoff::next() {
  random_ = random_ * 6364136223846793005ULL + 1442695040888963407ULL;  // Knuth's generator; only varies the waits
  const auto half = current_.count() / 2;
  const auto wait = half + static_cast<std::int64_t>((random_ >> 33) % static_cast<std::uint64_t>(half + 1));
  current_ = std::min(current_ * 2, last_);
  return std::chrono::milliseconds(wait);
}

void Backoff::reset() { current_ = first_; }

bool sleep_for(std::chrono::milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any condition;
  std::unique_lock lock(mutex);
  condition.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

Result<void> with_retries(int attempts, const std::stop_token& stop, const std::function<Result<void>()>& attempt) {
  Backoff backoff(std::chrono::milliseconds(200), std::chrono::milliseconds(5000));
  for (int left = attempts;; --left) {
    auto outcome = attempt();
    if (outcome) return outcome;
    if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "stopped on request");
    // Cancelled, but not by this side: the server went away during the call.
    const bool transient =
        outcome.error().code == ErrorCode::kUnavailable || outcome.error().code == ErrorCode::kCancelled;
    if (!transient || left <= 1) return outcome;
    if (!sleep_for(backoff.next(), stop)) return fail(ErrorCode::kCancelled, "stopped on request");
  }
}

}  // namespace consilium::wire
