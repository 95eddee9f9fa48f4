#pragma once

#include <memory>
#include <vector>

#include "client/trainer/models/module.h"

namespace consilium::trainer {

/// Modules one after the other.
class Chain : public Module {
 public:
  void append(std::unique_ptr<Module> module) { modules_.push_back(std::move(module)); }
  [[nodiscard]] bool empty() const { return modules_.empty(); }
  at::Tensor forward(const at::Tensor& input, const Pass& pass) override;
  at::Tensor backward(const at::Tensor& gradient, bool input_needed) override;

 private:
  std::vector<std::unique_ptr<Module>> modules_;
};

/// relu(body(x) + shortcut(x)) (He et al. 2016, equations 1 and 2).
class ResidualBlock : public Module {
 public:
  /// @param body      ends in a module that leaves the gradient it is given as it is (a batch norm)
  /// @param shortcut  likewise; null: the identity
  ResidualBlock(std::unique_ptr<Module> body, std::unique_ptr<Module> shortcut);
  at::Tensor forward(const at::Tensor& input, const Pass& pass) override;
  at::Tensor backward(const at::Tensor& gradient, bool input_needed) override;

 private:
  std::unique_ptr<Module> body_;
  std::unique_ptr<Module> shortcut_;
  at::Tensor output_;
};

}  // namespace consilium::trainer
