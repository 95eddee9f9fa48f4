#include "client/trainer/training/epoch_loss.h"

#include <cmath>

#include "client/trainer/models/cpu_kernels.h"

namespace consilium::trainer {
namespace {

constexpr std::size_t kMostWaiting = 32;

}  // namespace

at::Tensor EpochLoss::step(const at::Tensor& logits, const at::Tensor& labels) {
  const std::int64_t count = logits.size(0);
  const std::int64_t classes = logits.size(1);
  examples_ += static_cast<std::uint64_t>(count);
  if (logits.is_cpu()) {
    const at::Tensor values = logits.contiguous();
    at::Tensor gradient = at::empty({count, classes}, values.options());
    add(kernels::cross_entropy(values.const_data_ptr<float>(), labels.const_data_ptr<std::int64_t>(), count, classes,
                               gradient.mutable_data_ptr<float>()));
    return gradient;
  }
  const at::Tensor log_probabilities = at::log_softmax(logits, 1);
  const at::Tensor truth = labels.unsqueeze(1);
  waiting_.push_back(log_probabilities.gather(1, truth).sum().neg());
  at::Tensor gradient = log_probabilities.exp();
  gradient.sub_(at::one_hot(labels, classes).to(at::kFloat)).div_(static_cast<double>(count));
  if (waiting_.size() >= kMostWaiting) {
    look();
  }
  return gradient;
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
