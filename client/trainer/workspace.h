#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/data/scratch_file.h"
#include "client/trainer/models/network.h"
#include "client/trainer/protocol/messages.h"
#include "client/trainer/task/learning_task.h"
#include "client/trainer/training/example_source.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// Holds what a trainer keeps ready between requests: the network of the latest job, and the latest data sets, decoded
/// and on the device. A data set is read again if one of its files has changed. Not thread-safe.
class Workspace {
 public:
  static constexpr std::uint64_t kCachedBytes = std::uint64_t{256} << 20;

  /// @param cached_bytes  data sets other than the current one are kept up to this many bytes in total, the most
  /// recently used ones first
  /// @param decoder  decodes image files; can be null if the data sets have only numpy files
  /// @param scratch  holds prepared images beyond a data set's `loading.cache`; null: none
  explicit Workspace(const at::Device& device, std::uint64_t cached_bytes = kCachedBytes,
                     std::shared_ptr<data::ImageDecoder> decoder = nullptr,
                     std::shared_ptr<data::ScratchFile> scratch = nullptr)
      : device_(device), cached_bytes_(cached_bytes), decoder_(std::move(decoder)), scratch_(std::move(scratch)) {}

  /// Loads what the request names and isn't loaded yet. Fails with kInvalidArgument if the data, the model and
  /// parameter_count don't fit each other, or with kNotFound or kResourceExhausted. After a failure the workspace is
  /// unprepared.
  Result<Prepared> prepare(const Prepare& request);

  /// Null before the first successful prepare(), and after one that failed.
  [[nodiscard]] Network* network() { return current_ == nullptr ? nullptr : network_.get(); }
  /// Returns the current network's task. Call it only after a successful prepare().
  [[nodiscard]] const LearningTask& task() const { return *task_; }
  /// Returns a split of the current data set in the form that models are evaluated on. Call it only after a successful
  /// prepare().
  [[nodiscard]] const ExampleSource& split(job::Split split) const;
  /// Returns the training split of the current data set in the form that a model trains on: augmented at random and cut
  /// into patches.
  [[nodiscard]] const ExampleSource& training() const;
  /// Returns the number of data sets in memory.
  [[nodiscard]] std::size_t cached_datasets() const { return loaded_.size(); }

 private:
  struct Loaded {
    std::string key;  ///< source, identity of its files, shape, classes, task and normalisation
    std::uint64_t bytes = 0;
    Prepared counts;
    std::unique_ptr<ExampleSource> training;  ///< null: the same as `train`
    std::unique_ptr<ExampleSource> train;
    std::unique_ptr<ExampleSource> val;
    std::unique_ptr<ExampleSource> test;
  };

  Result<void> use_network(const Prepare& request);
  Result<void> use_dataset(const Prepare& request);
  Result<Loaded> load(const Prepare& request) const;
  Result<Loaded> load_arrays(const Prepare& request) const;
  Result<Loaded> load_items(const Prepare& request) const;
  Result<std::shared_ptr<const data::Atlas>> read_atlas(const AtlasFile& file) const;
  void forget_old();

  at::Device device_;
  std::uint64_t cached_bytes_;
  std::shared_ptr<data::ImageDecoder> decoder_;
  std::shared_ptr<data::ScratchFile> scratch_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<const LearningTask> task_;
  std::list<Loaded> loaded_;  ///< most recently used first
  const Loaded* current_ = nullptr;
};

}  // namespace consilium::trainer
