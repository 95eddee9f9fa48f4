#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::trainer {

/// One parameter or buffer of a network: views into its flat storage.
struct Parameter {
  at::Tensor value;
  at::Tensor gradient;  ///< undefined for buffers, and where the tensor is frozen
};

/// Holds every parameter and buffer of a network in one flat float32 tensor on its device: the tensors that are trained
/// first, each on a 64-byte boundary, so that an optimiser is one pass over one range; then the buffers and all that is
/// frozen. Copies from and to the manifest's order.
class ParameterStorage {
 public:
  ParameterStorage(const ParameterManifest& manifest, const at::Device& device);

  /// Hands out a tensor's views. Every tensor is taken once; fails with kInternal where the manifest has no such tensor
  /// of that shape and role, or it was taken before.
  Result<Parameter> take(std::string_view name, at::IntArrayRef shape, TensorRole role);
  /// Fails with kInternal where a tensor of the manifest was not taken.
  Result<void> all_taken() const;

  /// Loads a vector in the manifest's order. @param vector parameter_count() floats
  void load(std::span<const float> vector);
  /// Writes the vector in the manifest's order. @param vector parameter_count() floats
  void store(std::span<float> vector) const;
  /// Writes storage - base, both in the manifest's order.
  void store_difference(std::span<const float> base, std::span<float> difference) const;

  /// A tensor that is trained, and where it lies in trainable().
  struct Trained {
    std::string_view name;  ///< as long as the storage
    std::int64_t begin = 0;
    std::int64_t size = 0;
  };
  /// The tensors that are trained, in the order in which they lie.
  [[nodiscard]] std::vector<Trained> trained() const;
  /// The range that is trained, and its gradients (the gaps between tensors are zero in both).
  [[nodiscard]] const at::Tensor& trainable() const { return trainable_; }
  [[nodiscard]] const at::Tensor& gradients() const { return gradients_; }
  [[nodiscard]] const at::Tensor& values() const { return values_; }
  [[nodiscard]] std::size_t parameter_count() const { return parameter_count_; }

 private:
  struct Place {
    TensorInfo info;
    std::size_t inside = 0;  ///< first element in values_
    bool taken = false;
  };

  std::vector<Place> places_;
  std::size_t parameter_count_ = 0;
  at::Tensor values_;
  at::Tensor trainable_;
  at::Tensor gradients_;
};

}  // namespace consilium::trainer
