#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "client/trainer/training/example_source.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"

namespace consilium::trainer {

/// One split of a data set on a device. 8-bit images are kept as bytes; batches are gathered and normalised in one
/// pass.
class ExampleStore final : public ExampleSource {
 public:
  /// Fails with kInvalidArgument if `normalize` has neither one value nor one for each channel (input's first
  /// dimension).
  /// @param images  [N, ...] uint8 or float32 on the CPU; each example has as many values as `input`
  /// @param labels  [N] int64 on the CPU, already checked to be in [0, classes)
  /// @param input   the model's input shape
  static Result<ExampleStore> create(const at::Tensor& images, const at::Tensor& labels,
                                     const std::vector<std::int64_t>& input,
                                     const std::optional<job::Normalization>& normalize, const at::Device& device);

  /// @param rows  indices in [0, size())
  [[nodiscard]] Batch gather(std::span<const std::int64_t> rows) const;
  [[nodiscard]] std::int64_t size() const override { return labels_.size(0); }
  /// Does nothing, because everything is in memory and there is no augmentation.
  void begin(const data::Draw& /*draw*/, std::span<const std::int64_t> /*order*/) const override {}
  [[nodiscard]] Result<Batch> batch(std::span<const std::int64_t> rows) const override { return gather(rows); }

 private:
  ExampleStore() = default;
  [[nodiscard]] Batch gather_on_cpu(std::span<const std::int64_t> rows) const;

  at::Tensor images_;  ///< [N, channels_, plane_]
  at::Tensor labels_;
  std::vector<std::int64_t> input_;
  std::int64_t channels_ = 1;  ///< groups of values that share a mean and a deviation
  std::int64_t plane_ = 0;
  std::vector<float> mean_;
  std::vector<float> deviation_;
  std::vector<float> table_;  ///< [channels, 256], for images of bytes
  at::Tensor device_mean_;    ///< [1, channels, 1], if not on the CPU
  at::Tensor device_deviation_;
};

}  // namespace consilium::trainer
