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

/// What a trainer keeps warm between requests: the network of the latest job, and the latest data sets, decoded and on
/// the device. A data set whose file changed since is read again. Not thread-safe.
class Workspace {
 public:
  static constexpr std::uint64_t kCachedBytes = std::uint64_t{256} << 20;

  /// @param cached_bytes  data sets beside the current one are kept up to this many bytes in all, the latest used ones
  /// @param decoder  of image files; null where there are numpy's alone
  /// @param scratch  for prepared images beyond a data set's `loading.cache`; null: none
  explicit Workspace(const at::Device& device, std::uint64_t cached_bytes = kCachedBytes,
                     std::shared_ptr<data::ImageDecoder> decoder = nullptr,
                     std::shared_ptr<data::ScratchFile> scratch = nullptr)
      : device_(device), cached_bytes_(cached_bytes), decoder_(std::move(decoder)), scratch_(std::move(scratch)) {}

  /// Loads what the request names and isn't there. Fails with kInvalidArgument where data, model and parameter_count
  /// don't fit each other, kNotFound, kResourceExhausted; the workspace is then unprepared.
  Result<Prepared> prepare(const Prepare& request);

  /// Null before the first successful prepare(), and after one that failed.
  [[nodiscard]] Network* network() { return current_ == nullptr ? nullptr : network_.get(); }
  /// What the current network learns; call after a successful prepare().
  [[nodiscard]] const LearningTask& task() const { return *task_; }
  /// A split of the current data set as models are evaluated on it; call after a successful prepare().
  [[nodiscard]] const ExampleSource& split(job::Split split) const;
  /// The training split of the current data set as a model trains on it: changed at random, cut into patches.
  [[nodiscard]] const ExampleSource& training() const;
  /// Data sets in memory.
  [[nodiscard]] std::size_t cached_datasets() const { return loaded_.size(); }

 private:
  struct Loaded {
    std::string key;  ///< source, identity of its files, shape, classes, task, normalisation
    std::uint64_t bytes = 0;
    Prepared counts;
    std::unique_ptr<ExampleSource> training;  ///< null: as `train`
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
  std::list<Loaded> loaded_;  ///< latest used first
  const Loaded* current_ = nullptr;
};

}  // namespace consilium::trainer
