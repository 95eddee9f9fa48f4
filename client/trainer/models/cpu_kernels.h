#pragma once

#include <cstddef>
#include <cstdint>

/// Loops over raw float32 memory for the operations in which LibTorch's own CPU kernels are slow or take several
/// passes. They need no torch, are single-threaded, and use no fused multiply-add, so that every call on one machine
/// gives the same bytes.
namespace consilium::trainer::kernels {

/// The geometry of a square window that slides over [height, width].
struct Window {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t kernel = 0;
  std::int64_t stride = 1;
  std::int64_t padding = 0;

  [[nodiscard]] std::int64_t output_height() const { return (height + 2 * padding - kernel) / stride + 1; }
  [[nodiscard]] std::int64_t output_width() const { return (width + 2 * padding - kernel) / stride + 1; }
};

/// Unfolds one example so that a convolution becomes a matrix product (im2col).
/// @param input    [channels, height, width]
/// @param columns  [channels * kernel * kernel, output_height * output_width]; 0 outside the input
void image_to_columns(const float* input, std::int64_t channels, const Window& window, float* columns);

/// Computes the maximum over the windows of one plane. If `rectify` is set, also applies relu; applying it after the
/// pool gives the same result as before it.
/// @param winner  for each output, the position of its maximum in the plane, or -1 if relu cut it off (no gradient goes
/// back)
void max_pool(const float* input, const Window& window, bool rectify, float* output, std::int32_t* winner);

/// Computes the gradient of max_pool() for one plane; `input_gradient` is overwritten.
void max_pool_backward(const float* gradient, const std::int32_t* winner, const Window& window, float* input_gradient);

/// The scalars of one optimiser step.
struct SgdStep {
  float learning_rate = 0;
  float momentum = 0;
  float weight_decay = 0;
  float proximal_mu = 0;
};

/// Computes g + mu (w - w0) + wd w -> buffer = momentum * buffer + g -> w -= lr * buffer, in one pass.
/// @param buffer  zero at the start; null without momentum
/// @param anchor  w0; null without a proximal term
void sgd_step(float* weights, const float* gradient, float* buffer, const float* anchor, std::size_t size,
              const SgdStep& step);

struct AdamStep {
  float learning_rate = 0;
  float fresh1 = 0;  ///< 1 - beta1
  float beta2 = 0;
  float fresh2 = 0;  ///< 1 - beta2
  float epsilon = 0;
  float weight_decay = 0;
  bool decoupled = false;  ///< AdamW: the decay is applied to the weights, not through the gradient
  float proximal_mu = 0;
  float step_size = 0;             ///< lr / (1 - beta1^t)
  float root_bias_correction = 0;  ///< sqrt(1 - beta2^t)
};

/// Takes one step of Adam or AdamW, in one pass.
/// @param first, second  running moments of the gradient, zero at the start
void adam_step(float* weights, const float* gradient, float* first, float* second, const float* anchor,
               std::size_t size, const AdamStep& step);

/// Gathers examples of 8-bit images through a lookup table: output[i] = table[channel][images[rows[i]]].
/// @param images  [examples, channels, plane]
/// @param table   [channels, 256]
void gather_bytes(const std::uint8_t* images, const std::int64_t* rows, std::int64_t count, std::int64_t channels,
                  std::int64_t plane, const float* table, float* output);

/// Gathers examples of float images in the same way: (x - mean[channel]) / std[channel].
void gather_floats(const float* images, const std::int64_t* rows, std::int64_t count, std::int64_t channels,
                   std::int64_t plane, const float* mean, const float* std, float* output);

}  // namespace consilium::trainer::kernels
