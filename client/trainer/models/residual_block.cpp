#include "client/trainer/models/residual_block.h"

#include <utility>

namespace consilium::trainer {

at::Tensor Chain::forward(const at::Tensor& input, const Pass& pass) {
  at::Tensor activation = input;
  for (const auto& module : modules_) {
    activation = module->forward(activation, pass);
  }
  return activation;
}

at::Tensor Chain::backward(const at::Tensor& gradient, bool input_needed) {
  at::Tensor flowing = gradient;
  for (std::size_t i = modules_.size(); i-- > 0;) {
    flowing = modules_[i]->backward(flowing, input_needed || i > 0);
  }
  return flowing;
}

ResidualBlock::ResidualBlock(std::unique_ptr<Module> body, std::unique_ptr<Module> shortcut)
    : body_(std::move(body)), shortcut_(std::move(shortcut)) {}

at::Tensor ResidualBlock::forward(const at::Tensor& input, const Pass& pass) {
  at::Tensor output = body_->forward(input, pass);
  output.add_(shortcut_ ? shortcut_->forward(input, pass) : input);
  output.relu_();
  output_ = pass.training ? output : at::Tensor();
  return output;
}

at::Tensor ResidualBlock::backward(const at::Tensor& gradient, bool input_needed) {
  at::Tensor through = gradient;
  at::threshold_backward_out(through, gradient, output_, 0);
  at::Tensor result = body_->backward(through, input_needed);
  const at::Tensor beside = shortcut_ ? shortcut_->backward(through, input_needed) : through;
  return input_needed ? result.add_(beside) : result;
}

}  // namespace consilium::trainer
