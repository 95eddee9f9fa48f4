#include "client/trainer/training/optimizer.h"

#include <ATen/Parallel.h>

#include <cmath>

#include "client/trainer/models/cpu_kernels.h"
#include "common/job/learning_rates.h"

namespace consilium::trainer {
namespace {

constexpr std::int64_t kGrain = 1 << 15;

float* data_or_null(const at::Tensor& tensor) { return tensor.defined() ? tensor.mutable_data_ptr<float>() : nullptr; }

float* advance(float* pointer, std::int64_t by) { return pointer == nullptr ? nullptr : pointer + by; }

/// The constant that clip_grad_norm_ adds to avoid division by zero.
constexpr double kClipEpsilon = 1e-6;

}  // namespace

void clip_gradient_norm(const at::Tensor& gradients, double largest) {
  // The factor stays on the device, so nothing waits for the norm.
  const at::Tensor factor = (gradients.norm() + kClipEpsilon).reciprocal().mul(largest).clamp_max(1.0);
  gradients.mul_(factor);
}

Optimizer::Optimizer(const job::OptimizerSpec& spec, const job::RateFactors& factors, double proximal_mu,
                     ParameterStorage& storage)
    : spec_(spec),
      groups_(groups_of(factors, storage)),
      proximal_mu_(proximal_mu),
      weights_(storage.trainable()),
      gradients_(storage.gradients()) {
  if (proximal_mu_ != 0.0) {
    anchor_ = weights_.clone();
  }
  const bool adam = spec_.kind != job::OptimizerKind::kSgd;
  if (adam || spec_.momentum != 0.0) {
    first_ = at::zeros_like(weights_);
  }
  if (adam) {
    second_ = at::zeros_like(weights_);
  }
}

std::vector<Optimizer::Group> Optimizer::groups_of(const job::RateFactors& factors, const ParameterStorage& storage) {
  std::vector<Group> groups;
  for (const ParameterStorage::Trained& tensor : storage.trained()) {
    const double factor = job::rate_factor(factors, tensor.name);
    if (groups.empty() || groups.back().factor != factor) groups.push_back({tensor.begin, 0, factor});
    // The gap before a tensor holds zeros, and steps leave it at zero.
    groups.back().size = tensor.begin + tensor.size - groups.back().begin;
  }
  return groups;
}

void Optimizer::step() {
  ++steps_;
  for (const Group& group : groups_) {
    if (weights_.is_cpu()) {
      step_on_cpu(group);
    } else {
      step_on_device(group);
    }
  }
}

void Optimizer::step_on_cpu(const Group& group) {
  const auto steps = static_cast<double>(steps_);
  const double learning_rate = spec_.learning_rate * group.factor;
  const kernels::SgdStep sgd{.learning_rate = static_cast<float>(learning_rate),
                             .momentum = static_cast<float>(spec_.momentum),
                             .weight_decay = static_cast<float>(spec_.weight_decay),
                             .proximal_mu = static_cast<float>(proximal_mu_)};
  const kernels::AdamStep adam{
      .learning_rate = static_cast<float>(learning_rate),
      .fresh1 = static_cast<float>(1.0 - spec_.beta1),
      .beta2 = static_cast<float>(spec_.beta2),
      .fresh2 = static_cast<float>(1.0 - spec_.beta2),
      .epsilon = static_cast<float>(spec_.epsilon),
      .weight_decay = static_cast<float>(spec_.weight_decay),
      .decoupled = spec_.kind == job::OptimizerKind::kAdamW,
      .proximal_mu = static_cast<float>(proximal_mu_),
      .step_size = static_cast<float>(learning_rate / (1.0 - std::pow(spec_.beta1, steps))),
      .root_bias_correction = static_cast<float>(std::sqrt(1.0 - std::pow(spec_.beta2, steps)))};
  float* weights = weights_.mutable_data_ptr<float>();
  const float* gradients = gradients_.const_data_ptr<float>();
  float* first = data_or_null(first_);
  float* second = data_or_null(second_);
  float* anchor = data_or_null(anchor_);
  const bool is_sgd = spec_.kind == job::OptimizerKind::kSgd;
  at::parallel_for(group.begin, group.begin + group.size, kGrain, [&](std::int64_t begin, std::int64_t end) {
    const auto size = static_cast<std::size_t>(end - begin);
    if (is_sgd) {
      kernels::sgd_step(weights + begin, gradients + begin, advance(first, begin), advance(anchor, begin), size, sgd);
    } else {
      kernels::adam_step(weights + begin, gradients + begin, first + begin, second + begin, advance(anchor, begin),
                         size, adam);
    }
  });
}

void Optimizer::step_on_device(const Group& group) {
  const at::Tensor weights = weights_.narrow(0, group.begin, group.size);
  at::Tensor gradient = gradients_.narrow(0, group.begin, group.size);
  if (anchor_.defined()) {
    gradient = gradient.add(weights - anchor_.narrow(0, group.begin, group.size), proximal_mu_);
  }
  if (spec_.weight_decay != 0.0 && spec_.kind != job::OptimizerKind::kAdamW) {
    gradient = gradient.add(weights, spec_.weight_decay);
  }
  if (spec_.kind == job::OptimizerKind::kSgd) {
    sgd_on_device(group, gradient);
  } else {
    adam_on_device(group, gradient);
  }
}

void Optimizer::sgd_on_device(const Group& group, at::Tensor gradient) {
  if (first_.defined()) {
    const at::Tensor momentum = first_.narrow(0, group.begin, group.size);
    momentum.mul_(spec_.momentum).add_(gradient);
    gradient = momentum;
  }
  weights_.narrow(0, group.begin, group.size).add_(gradient, -spec_.learning_rate * group.factor);
}

void Optimizer::adam_on_device(const Group& group, const at::Tensor& gradient) {
  const auto steps = static_cast<double>(steps_);
  const double learning_rate = spec_.learning_rate * group.factor;
  const at::Tensor weights = weights_.narrow(0, group.begin, group.size);
  const at::Tensor first = first_.narrow(0, group.begin, group.size);
  const at::Tensor second = second_.narrow(0, group.begin, group.size);
  if (spec_.kind == job::OptimizerKind::kAdamW) {
    weights.mul_(1.0 - learning_rate * spec_.weight_decay);
  }
  first.lerp_(gradient, 1.0 - spec_.beta1);
  second.mul_(spec_.beta2).addcmul_(gradient, gradient, 1.0 - spec_.beta2);
  const at::Tensor denominator = second.sqrt().div_(std::sqrt(1.0 - std::pow(spec_.beta2, steps))).add_(spec_.epsilon);
  weights.addcdiv_(first, denominator, -learning_rate / (1.0 - std::pow(spec_.beta1, steps)));
}

}  // namespace consilium::trainer
