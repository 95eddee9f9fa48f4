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

/// Passes values from many threads to the thread that owns some state. Thread-safe.
///
/// Values that a peer causes are posted with post_when_room() or post_if_room(), so that the queue stays bounded
/// whatever the peer sends. post() is unbounded, and is for values that the owner itself causes.
template <class T>
class EventQueue {
 public:
  using Clock = std::chrono::steady_clock;

  /// @param capacity  number of queued values at which the queue is full
  explicit EventQueue(std::size_t capacity = std::numeric_limits<std::size_t>::max()) : capacity_(capacity) {}

  /// Appends a value, even beyond the capacity; drops it after close(). Returns whether the value was queued. Never
  /// waits, so the owner may call it.
  bool post(T value) {
    {
      const std::scoped_lock lock(mutex_);
      if (closed_) return false;
      values_.push_back(std::move(value));
    }
    ready_.notify_one();
    return true;
  }

  /// Waits until there is room, then appends. Returns false if the queue is closed, before or during the wait. The
  /// owner must not call it, because nobody else makes room.
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

  /// Appends a value if there is room, and returns whether it did. Never waits.
  bool post_if_room(T value) {
    {
      const std::scoped_lock lock(mutex_);
      if (closed_ || values_.size() >= capacity_) return false;
      values_.push_back(std::move(value));
    }
    ready_.notify_one();
    return true;
  }

  /// Takes the oldest value, waiting for one until `deadline` (without a deadline, indefinitely). Returns nullopt at
  /// the deadline or once the queue is closed.
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

  /// Closes the queue permanently: drops queued values, and wakes the owner and all threads that wait for room.
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
