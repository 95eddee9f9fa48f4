#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>

namespace consilium::process {

/// Hands values from many threads to the one that owns some state. Thread-safe.
///
/// A value that a peer caused is posted with post_when_room() or post_if_room(): what waits then has a bound, whatever
/// the peer sends. post() has none, and is for values that the owner itself brought about.
template <class T>
class EventQueue {
 public:
  using Clock = std::chrono::steady_clock;

  /// @param capacity  values from which on there is no more room
  explicit EventQueue(std::size_t capacity = std::numeric_limits<std::size_t>::max()) : capacity_(capacity) {}

  /// Appends a value, beyond the capacity too; dropped after close(). Returns whether it was taken. Never waits, so the
  /// owner may call it.
  bool post(T value) {
    {
      const std::scoped_lock lock(mutex_);
      if (closed_) return false;
      values_.push_back(std::move(value));
    }
    ready_.notify_one();
    return true;
  }

  /// Waits until there is room, then appends. Returns false once closed: close() ends the wait. The owner may not call
  /// it, for nobody else makes room.
  bool post_when_room(T value) {
    {
      std::unique_lock lock(mutex_);
      room_.wait(lock, [this] { return closed_ || values_.size() < capacity_; });
      if (closed_) return false;
      values_.push_back(std::move(value));
    }
    ready_.notify_one();
    return true;
  }

  /// Appends a value where there is room; returns whether it was taken. Never waits.
  bool post_if_room(T value) {
    {
      const std::scoped_lock lock(mutex_);
      if (closed_ || values_.size() >= capacity_) return false;
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
    lock.unlock();
    room_.notify_one();
    return value;
  }

  /// Wakes the owner and whoever waits for room, for good; what is queued is dropped.
  void close() {
    std::deque<T> dropped;
    {
      const std::scoped_lock lock(mutex_);
      closed_ = true;
      dropped.swap(values_);
    }
    ready_.notify_all();
    room_.notify_all();
  }

  [[nodiscard]] bool empty() const {
    const std::scoped_lock lock(mutex_);
    return values_.empty();
  }

  [[nodiscard]] bool closed() const {
    const std::scoped_lock lock(mutex_);
    return closed_;
  }

 private:
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::condition_variable room_;
  std::deque<T> values_;
  bool closed_ = false;
};

}  // namespace consilium::process
