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

/// Determines, together with an example's number, the random stream of its augmentation.
struct Draw {
  std::uint64_t seed = 0;
  std::uint32_t round = 0;
  std::string site;
  std::uint32_t epoch = 0;
};

/// Loads the examples of one split ahead of their use. An example depends only on its number and the draw, not on
/// threads, cache or order. Only one thread may call it at a time.
class Loader {
 public:
  /// @param random  true: loads training examples, with random augmentation. False: loads the cases for evaluation;
  /// patches are cut at places drawn from a fixed seed, except that if the set's are_windowed(), whole images are
  /// loaded and padded to at least a patch's size
  Loader(std::shared_ptr<const ItemSet> set, job::Split split, bool random);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  [[nodiscard]] std::size_t size() const { return keys().size(); }
  /// Returns the item, plane and patch of each row.
  [[nodiscard]] const std::vector<ExampleKey>& keys() const {
    return random_ ? set_->examples(split_) : set_->cases(split_);
  }
  /// Starts an epoch: threads load the examples in this order, up to a limited number ahead of take().
  void begin(const Draw& draw, std::span<const std::int64_t> order);
  /// Returns an example, normalised. It is taken from those loaded ahead if it is the next in the order; otherwise it
  /// is loaded now.
  Result<PreparedItem> take(std::int64_t row);

 private:
  /// The maximum number of examples that may be ready for each thread, and the maximum bytes of all of them together.
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
  std::vector<Slot> slots_;  ///< a ring: the example at place i of the order uses slot i modulo the number of slots
  std::size_t taken_ = 0;    ///< number of places in the order that were taken
  std::size_t begun_ = 0;    ///< number of places that a thread has started on
  std::vector<std::jthread> workers_;
};

}  // namespace consilium::data
