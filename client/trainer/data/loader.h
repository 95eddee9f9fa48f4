#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "client/trainer/data/item_set.h"
#include "common/error/error.h"

namespace consilium::data {

/// What the random changes of examples are drawn from, with the number of the example.
struct Draw {
  std::uint64_t seed = 0;
  std::uint32_t round = 0;
  std::string site;
  std::uint32_t epoch = 0;
};

/// Loads the examples of one split, ahead of who needs them. What an example is depends on its number and the draw
/// alone, not on threads, cache or order. One caller at a time.
class Loader {
 public:
  /// @param random  true: the examples to train on, changed at random. False: the cases to evaluate on; patches are
  ///                drawn from a fixed seed, or are whole images where the set's are_windowed(), padded to a patch's
  ///                size
  Loader(std::shared_ptr<const ItemSet> set, job::Split split, bool random);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  [[nodiscard]] std::size_t size() const { return keys().size(); }
  /// What each row is.
  [[nodiscard]] const std::vector<ExampleKey>& keys() const {
    return random_ ? set_->examples(split_) : set_->cases(split_);
  }
  /// Begins an epoch: threads load the examples in this order, some ahead of what was taken.
  void begin(const Draw& draw, std::span<const std::int64_t> order);
  /// Returns an example, normalised: at once where it is the next of the order, else loaded now.
  Result<PreparedItem> take(std::int64_t row);

 private:
  /// Examples that may lie ready for each thread, and bytes of all of them together.
  static constexpr std::size_t kAhead = 16;
  static constexpr std::size_t kAheadBytes = std::size_t{256} << 20;

  struct Slot {
    bool ready = false;
    std::optional<Result<PreparedItem>> item;
  };

  void work(const std::stop_token& stop);
  Result<PreparedItem> load(std::int64_t row, const Draw& draw) const;
  [[nodiscard]] std::size_t slots_for_examples() const;
  void stop_workers();

  std::shared_ptr<const ItemSet> set_;
  job::Split split_;
  bool random_;
  std::size_t threads_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  Draw draw_;
  std::vector<std::int64_t> order_;
  std::vector<Slot> slots_;  ///< a ring: place i of the order has slot i modulo its size
  std::size_t taken_ = 0;    ///< places of the order that were taken
  std::size_t begun_ = 0;    ///< places that a thread has begun
  std::vector<std::jthread> workers_;
};

}  // namespace consilium::data
