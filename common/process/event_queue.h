#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace consilium::process {

/// Hands values from many threads to the one that owns some state. Thread-safe.
template <class T>
class EventQueue {
 public:
  using Clock = std::chrono::steady_clock;

  /// Appends a value; dropped after close(). Returns whether it was taken.
  bool post(T value) {
    {
      const std::scoped_lock lock(mutex_);
      if (closed_) return false;
      values_.push_back(std::move(value));
    }
    ready_.notify_one();
    return true;
  }

  /// Takes the oldest value; waits for one until `deadline` (for ever without one). Empty at the deadline or once
  /// closed.
  std::optional<T> take(std::optional<Clock::time_point> deadline = std::nullopt) {
    std::unique_lock lock(mutex_);
    const auto has_news = [this] { return closed_ || !values_.empty(); };
    if (deadline) {
      ready_.wait_until(lock, *deadline, has_news);
    } else {
      ready_.wait(lock, has_news);
    }
    if (closed_ || values_.empty()) return std::nullopt;
    std::optional<T> value(std::move(values_.front()));
    values_.pop_front();
    return value;
  }

  /// Wakes the owner for good; what is queued is dropped.
  void close() {
    std::deque<T> dropped;
    {
      const std::scoped_lock lock(mutex_);
      closed_ = true;
      dropped.swap(values_);
    }
    ready_.notify_all();
  }

  [[nodiscard]] bool closed() const {
    const std::scoped_lock lock(mutex_);
    return closed_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<T> values_;
  bool closed_ = false;
};

}  // namespace consilium::process
