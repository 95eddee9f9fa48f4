#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/error/error.h"
#include "common/task/task.h"

namespace consilium::trainer {

/// A network's outputs for a batch: one tensor or several, as task::check_outputs() requires, each [n, ...] float32.
using Outputs = std::span<const at::Tensor>;

/// The boxes of one image.
struct Boxes {
  at::Tensor corners;  ///< [k, 4] float32: left, top, right, bottom in pixels of the network's input
  at::Tensor classes;  ///< [k] int64
};

/// The targets of a batch's examples, on the network's device.
struct Target {
  /// Classification: [n] int64; multi-label: [n, labels] float32 of 0 and 1; segmentation: [n, ...] int64, the class of
  /// each pixel or voxel; detection: undefined.
  at::Tensor values{};
  std::vector<Boxes> boxes{};  ///< detection: one for each image
  /// Segmentation: size of a pixel or voxel along each dimension of the map, [n, dimensions] float64 on the CPU. If
  /// undefined, sizes are 1, so distances are in pixels.
  at::Tensor spacing{};
};

/// Sums a task's counts, batch by batch.
class Counter {
 public:
  virtual ~Counter() = default;
  /// Counts a batch; outputs and target are on the CPU. Fails with kInvalidArgument if an output is NaN or infinite;
  /// the error names the example.
  virtual Result<void> add(Outputs outputs, const Target& target) = 0;
  /// Writes the counts that are summed as real numbers. Call it once, at the end. Fails with kInvalidArgument if the
  /// summed loss is more than a field holds.
  virtual Result<void> finish() = 0;
};

/// The trainer's side of a task: computes its loss, and counts from a network's outputs. Immutable and thread-safe.
class LearningTask {
 public:
  virtual ~LearningTask() = default;

  /// Computes each example's loss, [n]; autograd can differentiate it with respect to the outputs.
  [[nodiscard]] virtual at::Tensor losses(Outputs outputs, const Target& target) const = 0;
  /// Computes the loss of a batch, a scalar; autograd can differentiate it with respect to the outputs. It is the mean
  /// of the examples' losses unless the task overrides it.
  [[nodiscard]] virtual at::Tensor loss(Outputs outputs, const Target& target) const {
    return losses(outputs, target).mean();
  }
  /// Returns true if the loss is the mean cross entropy of [n, classes] logits, for which there is a kernel.
  [[nodiscard]] virtual bool is_plain_cross_entropy() const { return false; }
  /// Combines the outputs of several models for the same batch into outputs that represent the mean of their
  /// probabilities. Fails with kInvalidArgument if the task has no such mean: the boxes of several detectors don't
  /// correspond to each other.
  /// @param outputs  of each model; at least one
  [[nodiscard]] virtual Result<std::vector<at::Tensor>> mean_of_models(
      std::span<const std::vector<at::Tensor>> outputs) const;
  /// @param counts  task().evaluation_elements() elements, zeroed here; they must outlive the counter
  [[nodiscard]] virtual std::unique_ptr<Counter> count_into(std::span<std::uint64_t> counts) const = 0;
  [[nodiscard]] const task::Task& task() const { return *task_; }

 protected:
  explicit LearningTask(std::shared_ptr<const task::Task> task) : task_(std::move(task)) {}

 private:
  std::shared_ptr<const task::Task> task_;
};

/// Creates the trainer's side of a task. Fails with kInvalidArgument if the loss isn't one of the task's.
/// @param input  shape of one example, [channels, height, width] of a detector's image
Result<std::unique_ptr<const LearningTask>> make_learning_task(std::shared_ptr<const task::Task> task,
                                                               const task::LossSpec& loss,
                                                               const std::vector<std::int64_t>& input);

}  // namespace consilium::trainer
