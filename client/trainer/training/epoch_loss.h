#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "client/trainer/task/learning_task.h"

namespace consilium::trainer {

/// The task's loss over the batches of one epoch. Computes each step's loss and adds them up, weighted by batch size.
/// On an accelerator, losses stay on the device and are read only from time to time, so that a step needn't wait for
/// the one before.
class EpochLoss {
 public:
  /// @param task  must outlive this object
  explicit EpochLoss(const LearningTask& task) : task_(task) {}

  /// Computes a batch's loss, which autograd can differentiate with respect to the outputs.
  /// @param count  number of examples in the batch
  at::Tensor step(Outputs outputs, const Target& target, std::int64_t count);

  /// The first step (1-based) whose loss is NaN or infinite, among those read so far; see look().
  struct Broken {
    std::uint64_t step = 0;
    bool nan = false;
  };
  [[nodiscard]] const std::optional<Broken>& broken() const { return broken_; }
  /// Reads every loss that is still on the device.
  void look();
  /// Returns the mean loss of the examples seen. Call look() first.
  [[nodiscard]] double mean() const { return examples_ == 0 ? 0.0 : total_ / static_cast<double>(examples_); }

 private:
  void wait_for(at::Tensor loss_sum);
  void add(double loss_sum);

  const LearningTask& task_;
  std::vector<at::Tensor> waiting_;
  double total_ = 0.0;
  std::uint64_t examples_ = 0;
  std::uint64_t steps_ = 0;
  std::optional<Broken> broken_;
};

}  // namespace consilium::trainer
