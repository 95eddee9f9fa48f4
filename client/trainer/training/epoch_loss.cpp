#include "client/trainer/training/epoch_loss.h"

#include <ATen/core/grad_mode.h>

#include <cmath>
#include <utility>

namespace consilium::trainer {
namespace {

constexpr std::size_t kMostWaiting = 32;

}  // namespace

at::Tensor EpochLoss::step(Outputs outputs, const Target& target, std::int64_t count) {
  const at::AutoGradMode recorded(true);
  examples_ += static_cast<std::uint64_t>(count);
  at::Tensor loss = task_.loss(outputs, target);
  wait_for(loss.detach().to(at::kFloat) * static_cast<double>(count));
  return loss;
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
