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

/// One parameter or buffer of a network, as views into the network's flat storage.
struct Parameter {
  at::Tensor value;
  at::Tensor gradient;  ///< undefined for buffers and for frozen tensors
};

/// Holds every parameter and buffer of a network in one flat float32 tensor on its device. The trained tensors come
/// first, each on a 64-byte boundary, so that an optimiser step is one pass over one range. The buffers and everything
/// frozen follow. Copies from and to the manifest's order.
class ParameterStorage {
 public:
  ParameterStorage(const ParameterManifest& manifest, const at::Device& device);

  /// Returns a tensor's views. Each tensor can be taken only once. Fails with kInternal if the manifest has no such
  /// tensor of that shape and role, or if the tensor was already taken.
  Result<Parameter> take(std::string_view name, at::IntArrayRef shape, TensorRole role);
  /// Fails with kInternal if a tensor of the manifest wasn't taken.
  Result<void> all_taken() const;

  /// Loads a vector in the manifest's order.
  /// @param vector parameter_count() floats
  void load(std::span<const float> vector);
  /// Writes the vector in the manifest's order.
  /// @param vector parameter_count() floats
  void store(std::span<float> vector) const;
  /// Writes the storage minus `base`, both in the manifest's order.
  void store_difference(std::span<const float> base, std::span<float> difference) const;

  /// A trained tensor and its position in trainable().
  struct Trained {
    std::string_view name;  ///< valid as long as the storage
    std::int64_t begin = 0;
    std::int64_t size = 0;
  };
  /// Returns the trained tensors, in the order of their positions.
  [[nodiscard]] std::vector<Trained> trained() const;
  /// The trained range, and its gradients (the gaps between tensors are zero in both).
  [[nodiscard]] const at::Tensor& trainable() const { return trainable_; }
  [[nodiscard]] const at::Tensor& gradients() const { return gradients_; }
  [[nodiscard]] const at::Tensor& values() const { return values_; }
  [[nodiscard]] std::size_t parameter_count() const { return parameter_count_; }

 private:
  struct Place {
    TensorInfo info;
    std::size_t inside = 0;  ///< index of its first element in values_
    bool taken = false;
  };

  std::vector<Place> places_;
  std::size_t parameter_count_ = 0;
  at::Tensor values_;
  at::Tensor trainable_;
  at::Tensor gradients_;
};

}  // namespace consilium::trainer
