#include "client/trainer/models/cpu_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

// One clone for each level of the instruction set. None of them uses FMA, so all of them round alike.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define CONSILIUM_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CONSILIUM_CLONES
#endif

namespace consilium::trainer::kernels {
namespace {

/// Copies the part of an input row that a kernel column covers; zero outside the row.
void copy_row(const float* row, const Window& window, std::int64_t kernel_x, float* output) {
  const std::int64_t count = window.output_width();
  const std::int64_t shift = kernel_x - window.padding;
  if (window.stride == 1) {
    const std::int64_t begin = std::clamp<std::int64_t>(-shift, 0, count);
    const std::int64_t end = std::clamp<std::int64_t>(window.width - shift, begin, count);
    std::fill(output, output + begin, 0.0F);
    std::copy(row + begin + shift, row + end + shift, output + begin);
    std::fill(output + end, output + count, 0.0F);
    return;
  }
  for (std::int64_t x = 0; x < count; ++x) {
    const std::int64_t from = x * window.stride + shift;
    output[x] = from >= 0 && from < window.width ? row[from] : 0.0F;
  }
}

CONSILIUM_CLONES void max_pool_pairs(const float* input, const Window& window, float floor, float* output,
                                     std::int32_t* winner) {
  const std::int64_t rows = window.output_height();
  const std::int64_t columns = window.output_width();
  for (std::int64_t y = 0; y < rows; ++y) {
    const auto base = static_cast<std::int32_t>(2 * y * window.width);
    const float* upper = input + 2 * y * window.width;
    const float* lower = upper + window.width;
    for (std::int64_t x = 0; x < columns; ++x) {
      const auto at = base + static_cast<std::int32_t>(2 * x);
      const auto width = static_cast<std::int32_t>(window.width);
      float best = floor;
      std::int32_t from = -1;
      // `!(v <= best)` is true for a NaN, and `best == best` keeps a NaN once it is in.
      const auto consider = [&](float value, std::int32_t position) {
        const bool better = !(value <= best) && best == best;
        best = better ? value : best;
        from = better ? position : from;
      };
      consider(upper[2 * x], at);
      consider(upper[2 * x + 1], at + 1);
      consider(lower[2 * x], at + width);
      consider(lower[2 * x + 1], at + width + 1);
      output[y * columns + x] = best;
      winner[y * columns + x] = from;
    }
  }
}

}  // namespace

void image_to_columns(const float* input, std::int64_t channels, const Window& window, float* columns) {
  const std::int64_t rows = window.output_height();
  const std::int64_t width = window.output_width();
  for (std::int64_t channel = 0; channel < channels; ++channel) {
    const float* plane = input + channel * window.height * window.width;
    for (std::int64_t kernel_y = 0; kernel_y < window.kernel; ++kernel_y) {
      for (std::int64_t kernel_x = 0; kernel_x < window.kernel; ++kernel_x) {
        for (std::int64_t y = 0; y < rows; ++y, columns += width) {
          const std::int64_t from = y * window.stride + kernel_y - window.padding;
          if (from < 0 || from >= window.height) {
            std::fill(columns, columns + width, 0.0F);
          } else {
            copy_row(plane + from * window.width, window, kernel_x, columns);
          }
        }
      }
    }
  }
}

void max_pool(const float* input, const Window& window, bool rectify, float* output, std::int32_t* winner) {
  const float floor = rectify ? 0.0F : -std::numeric_limits<float>::infinity();
  if (window.kernel == 2 && window.stride == 2 && rectify) {
    max_pool_pairs(input, window, floor, output, winner);
    return;
  }
  const std::int64_t rows = window.output_height();
  const std::int64_t columns = window.output_width();
  for (std::int64_t y = 0; y < rows; ++y) {
    for (std::int64_t x = 0; x < columns; ++x) {
      const std::int64_t corner = y * window.stride * window.width + x * window.stride;
      float best = floor;
      std::int64_t from = rectify ? -1 : corner;
      for (std::int64_t dy = 0; dy < window.kernel; ++dy) {
        for (std::int64_t dx = 0; dx < window.kernel; ++dx) {
          const std::int64_t position = corner + dy * window.width + dx;
          const float value = input[position];
          if (value > best || std::isnan(value)) {
            best = value;
            from = position;
          }
        }
      }
      *output++ = best;
      *winner++ = static_cast<std::int32_t>(from);
    }
  }
}

void max_pool_backward(const float* gradient, const std::int32_t* winner, const Window& window, float* input_gradient) {
  std::fill(input_gradient, input_gradient + window.height * window.width, 0.0F);
  const std::int64_t count = window.output_height() * window.output_width();
  for (std::int64_t i = 0; i < count; ++i) {
    if (winner[i] >= 0) {
      input_gradient[winner[i]] += gradient[i];
    }
  }
}

CONSILIUM_CLONES void sgd_step(float* __restrict weights, const float* __restrict gradient, float* __restrict buffer,
                               const float* __restrict anchor, std::size_t size, const SgdStep& options) {
  const SgdStep step = options;
  if (buffer == nullptr && anchor == nullptr) {
    for (std::size_t i = 0; i < size; ++i) {
      weights[i] -= step.learning_rate * (gradient[i] + step.weight_decay * weights[i]);
    }
    return;
  }
  if (buffer == nullptr) {
    for (std::size_t i = 0; i < size; ++i) {
      const float pull = step.proximal_mu * (weights[i] - anchor[i]);
      weights[i] -= step.learning_rate * (gradient[i] + pull + step.weight_decay * weights[i]);
    }
    return;
  }
  if (anchor == nullptr) {
    for (std::size_t i = 0; i < size; ++i) {
      const float moved = step.momentum * buffer[i] + (gradient[i] + step.weight_decay * weights[i]);
      buffer[i] = moved;
      weights[i] -= step.learning_rate * moved;
    }
    return;
  }
  for (std::size_t i = 0; i < size; ++i) {
    const float pull = step.proximal_mu * (weights[i] - anchor[i]);
    const float moved = step.momentum * buffer[i] + (gradient[i] + pull + step.weight_decay * weights[i]);
    buffer[i] = moved;
    weights[i] -= step.learning_rate * moved;
  }
}

CONSILIUM_CLONES void adam_step(float* __restrict weights, const float* __restrict gradient, float* __restrict first,
                                float* __restrict second, const float* __restrict anchor, std::size_t size,
                                const AdamStep& options) {
  const AdamStep step = options;
  const float coupled = step.decoupled ? 0.0F : step.weight_decay;
  const float shrink = step.decoupled ? 1.0F - step.learning_rate * step.weight_decay : 1.0F;
  // Without a proximal term, the anchor is the weight itself, so the pull is zero.
  const float* origin = anchor == nullptr ? weights : anchor;
  for (std::size_t i = 0; i < size; ++i) {
    const float g = gradient[i] + step.proximal_mu * (weights[i] - origin[i]) + coupled * weights[i];
    const float m = first[i] + step.fresh1 * (g - first[i]);
    const float v = step.beta2 * second[i] + step.fresh2 * g * g;
    first[i] = m;
    second[i] = v;
    const float denominator = std::sqrt(v) / step.root_bias_correction + step.epsilon;
    weights[i] = shrink * weights[i] - step.step_size * (m / denominator);
  }
}

void gather_bytes(const std::uint8_t* images, const std::int64_t* rows, std::int64_t count, std::int64_t channels,
                  std::int64_t plane, const float* table, float* output) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint8_t* image = images + rows[i] * channels * plane;
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      const float* values = table + channel * 256;
      for (std::int64_t p = 0; p < plane; ++p) {
        *output++ = values[*image++];
      }
    }
  }
}

CONSILIUM_CLONES void gather_floats(const float* images, const std::int64_t* rows, std::int64_t count,
                                    std::int64_t channels, std::int64_t plane, const float* mean, const float* std,
                                    float* __restrict output) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float* image = images + rows[i] * channels * plane;
    for (std::int64_t channel = 0; channel < channels; ++channel) {
      for (std::int64_t p = 0; p < plane; ++p) {
        output[p] = (image[p] - mean[channel]) / std[channel];
      }
      image += plane;
      output += plane;
    }
  }
}

}  // namespace consilium::trainer::kernels
