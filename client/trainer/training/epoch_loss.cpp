#include "client/trainer/training/epoch_loss.h"

#include <c10/core/InferenceMode.h>

#include <cmath>
#include <utility>

#include "client/trainer/models/cpu_kernels.h"

namespace consilium::trainer {
namespace {

constexpr std::size_t kMostWaiting = 32;

struct LossGradient {
  at::Tensor loss;
  std::vector<at::Tensor> gradients;  ///< of the loss in each output
};

/// What autograd may save: tensors of an inference pass can't take part in it.
Target copy_of(const Target& target) {
  Target copy = target;
  if (copy.values.defined()) copy.values = copy.values.clone();
  for (Boxes& boxes : copy.boxes) boxes = {boxes.corners.clone(), boxes.classes.clone()};
  return copy;
}

/// The one place where a task's loss meets a network whose reverse mode is its own: autograd ends at the outputs.
LossGradient loss_gradient(const LearningTask& task, Outputs outputs, const Target& target) {
  const c10::InferenceMode off(false);
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& output : outputs) leaves.push_back(output.clone().set_requires_grad(true));
  const at::Tensor loss = task.loss(leaves, copy_of(target));
  loss.backward();
  LossGradient result{loss.detach(), {}};
  for (const at::Tensor& leaf : leaves)
    result.gradients.push_back(leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf));
  return result;
}

}  // namespace

std::vector<at::Tensor> EpochLoss::step(Outputs outputs, const Target& target, std::int64_t count) {
  examples_ += static_cast<std::uint64_t>(count);
  if (task_.is_plain_cross_entropy()) return {cross_entropy_step(outputs[0], target.values)};
  LossGradient found = loss_gradient(task_, outputs, target);
  wait_for(found.loss.to(at::kFloat) * static_cast<double>(count));
  return std::move(found.gradients);
}

at::Tensor EpochLoss::cross_entropy_step(const at::Tensor& logits, const at::Tensor& labels) {
  const std::int64_t count = logits.size(0);
  const std::int64_t classes = logits.size(1);
  if (logits.is_cpu()) {
    const at::Tensor values = logits.contiguous();
    at::Tensor gradient = at::empty({count, classes}, values.options());
    add(kernels::cross_entropy(values.const_data_ptr<float>(), labels.const_data_ptr<std::int64_t>(), count, classes,
                               gradient.mutable_data_ptr<float>()));
    return gradient;
  }
  const at::Tensor log_probabilities = at::log_softmax(logits, 1);
  wait_for(log_probabilities.gather(1, labels.unsqueeze(1)).sum().neg());
  at::Tensor gradient = log_probabilities.exp();
  gradient.sub_(at::one_hot(labels, classes).to(at::kFloat)).div_(static_cast<double>(count));
  return gradient;
}

void EpochLoss::wait_for(at::Tensor loss_sum) {
  const bool here = loss_sum.is_cpu();
  waiting_.push_back(std::move(loss_sum));
  if (here || waiting_.size() >= kMostWaiting) {
    look();
  }
}

void EpochLoss::look() {
  if (waiting_.empty()) {
    return;
  }
  const at::Tensor losses = at::stack(waiting_).cpu();
  waiting_.clear();
  for (std::int64_t i = 0; i < losses.size(0); ++i) {
    add(static_cast<double>(losses.const_data_ptr<float>()[i]));
  }
}

void EpochLoss::add(double loss_sum) {
  ++steps_;
  total_ += loss_sum;
  if (!broken_ && !std::isfinite(loss_sum)) {
    broken_ = Broken{.step = steps_, .nan = std::isnan(loss_sum)};
  }
}

}  // namespace consilium::trainer
