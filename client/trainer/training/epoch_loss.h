#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "client/trainer/task/learning_task.h"

namespace consilium::trainer {

/// The task's loss over the batches of one epoch: gives each step its loss and adds them up, weighted by batch size. On
/// an accelerator the losses stay there and are looked at now and then, so that steps need not wait for each other.
class EpochLoss {
 public:
  /// @param task  outlives this
  explicit EpochLoss(const LearningTask& task) : task_(task) {}

  /// Computes a batch's loss, of which autograd follows the outputs.
  /// @param count  examples in the batch
  at::Tensor step(Outputs outputs, const Target& target, std::int64_t count);

  /// A step (1-based) whose loss is NaN or infinite, among those looked at so far; see look().
  struct Broken {
    std::uint64_t step = 0;
    bool nan = false;
  };
  [[nodiscard]] const std::optional<Broken>& broken() const { return broken_; }
  /// Looks at every loss that is still on the device.
  void look();
  /// Mean loss of the examples seen; look() first.
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
