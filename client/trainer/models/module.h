#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <optional>

namespace consilium::trainer {

/// What one pass through a network is for.
struct Pass {
  bool training = false;                   ///< keep what backward() needs; dropout and batch statistics on
  std::optional<at::Generator> generator;  ///< of the network's device; dropout draws from it
};

/// One parameter or buffer of a module: views into the network's flat storage.
struct Parameter {
  at::Tensor value;
  at::Tensor gradient;  ///< undefined for buffers
};

/// One differentiable step of a network, with its reverse mode written out: no graph is recorded, and gradients land in
/// the network's flat vector without a copy. Activations are [batch, ...], contiguous, float32. Not thread-safe.
class Module {
 public:
  Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  virtual ~Module() = default;

  /// Computes the output. The input stays as it is unless the module was told that it may overwrite it.
  virtual at::Tensor forward(const at::Tensor& input, const Pass& pass) = 0;

  /// Writes the gradients of the module's parameters and returns the one of its input, for the latest training
  /// forward().
  /// @param gradient      d loss / d output; the module may overwrite it
  /// @param input_needed  false: the returned tensor is undefined
  virtual at::Tensor backward(const at::Tensor& gradient, bool input_needed) = 0;
};

}  // namespace consilium::trainer
