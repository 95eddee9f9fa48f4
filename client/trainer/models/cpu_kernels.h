#pragma once

#include <cstddef>
#include <cstdint>

/// Loops over raw float32 memory for the places where LibTorch's own CPU kernels are slow or take several passes.
/// Torch-free, single-threaded, and without fused multiply-add: the same bytes from every call on one machine.
namespace consilium::trainer::kernels {

/// Geometry of a square window that slides over [height, width].
struct Window {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t kernel = 0;
  std::int64_t stride = 1;
  std::int64_t padding = 0;

  [[nodiscard]] std::int64_t output_height() const { return (height + 2 * padding - kernel) / stride + 1; }
  [[nodiscard]] std::int64_t output_width() const { return (width + 2 * padding - kernel) / stride + 1; }
};

/// Unfolds one example for a convolution as a matrix product.
/// @param input    [channels, height, width]
/// @param columns  [channels * kernel * kernel, output_height * output_width]; outside the input: 0
void image_to_columns(const float* input, std::int64_t channels, const Window& window, float* columns);

/// Maximum over windows of one plane, and relu where `rectify` (relu after the pool gives what relu before it would).
/// @param winner  for each output its position in the plane, or -1 where relu cut it off (no gradient goes back)
void max_pool(const float* input, const Window& window, bool rectify, float* output, std::int32_t* winner);

/// Gradient of max_pool() for one plane; `input_gradient` is overwritten.
void max_pool_backward(const float* gradient, const std::int32_t* winner, const Window& window, float* input_gradient);

/// What one optimiser step takes beside its vectors.
struct SgdStep {
  float learning_rate = 0;
  float momentum = 0;
  float weight_decay = 0;
  float proximal_mu = 0;
};

/// g + mu (w - w0) + wd w -> buffer = momentum * buffer + g -> w -= lr * buffer, in one pass.
/// @param buffer  zero at the start, null without momentum     @param anchor  w0; null without a proximal term
void sgd_step(float* weights, const float* gradient, float* buffer, const float* anchor, std::size_t size,
              const SgdStep& step);

struct AdamStep {
  float learning_rate = 0;
  float fresh1 = 0;  ///< 1 - beta1
  float beta2 = 0;
  float fresh2 = 0;  ///< 1 - beta2
  float epsilon = 0;
  float weight_decay = 0;
  bool decoupled = false;  ///< AdamW: the decay acts on the weights, not through the gradient
  float proximal_mu = 0;
  float step_size = 0;             ///< lr / (1 - beta1^t)
  float root_bias_correction = 0;  ///< sqrt(1 - beta2^t)
};

/// @param first, second  running moments of the gradient, zero at the start
void adam_step(float* weights, const float* gradient, float* first, float* second, const float* anchor,
               std::size_t size, const AdamStep& step);

/// Gathers examples of 8-bit images through a table: output[i] = table[channel][images[rows[i]]].
/// @param images  [examples, channels, plane]       @param table  [channels, 256]
void gather_bytes(const std::uint8_t* images, const std::int64_t* rows, std::int64_t count, std::int64_t channels,
                  std::int64_t plane, const float* table, float* output);

/// The same for float images: (x - mean[channel]) / std[channel].
void gather_floats(const float* images, const std::int64_t* rows, std::int64_t count, std::int64_t channels,
                   std::int64_t plane, const float* mean, const float* std, float* output);

}  // namespace consilium::trainer::kernels
