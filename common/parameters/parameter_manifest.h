#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"

namespace consilium {

/// How a tensor changes: by the optimiser, or as a running statistic (batch-norm mean and variance).
enum class TensorRole : std::uint8_t { kTrainable = 1, kBuffer = 2 };

/// One tensor of a model: its PyTorch name and shape, and its position in a ParameterVector.
struct TensorInfo {
  std::string name;
  std::vector<std::int64_t> shape;  ///< row-major, as in PyTorch
  TensorRole role = TensorRole::kTrainable;
  std::size_t offset = 0;  ///< first element, in floats
  std::size_t size = 0;    ///< number of elements: the product of shape
  bool frozen = false;     ///< it keeps its initial values, and is in no update
  bool local = false;      ///< each site trains its own values, which are in no update

  bool operator==(const TensorInfo&) const = default;
};

/// A maximal run of adjacent tensors with the same role that are treated alike: all in updates, all frozen or all
/// local.
struct TensorRun {
  std::size_t offset = 0;  ///< first element in a ParameterVector
  std::size_t size = 0;    ///< number of elements
  TensorRole role = TensorRole::kTrainable;

  bool operator==(const TensorRun&) const = default;
};

/// A model's parameters as one flat vector of float32, in state_dict order.
using ParameterVector = std::vector<float>;

/// The name, shape and offset of each tensor of a ParameterVector. Immutable; safe to share between threads.
class ParameterManifest {
 public:
  /// Largest number of floats that a model may have (8 GiB of float32), so that no size computation overflows.
  static constexpr std::size_t kMaxParameters = std::size_t{1} << 31;

  /// Lays the tensors out one after the other, and computes the offset and size of each, ignoring the given ones. Fails
  /// with kInvalidArgument on an empty or repeated name, a dimension < 1, or more than kMaxParameters elements.
  static Result<ParameterManifest> create(std::vector<TensorInfo> tensors);

  [[nodiscard]] const std::vector<TensorInfo>& tensors() const { return tensors_; }
  /// Returns the runs that make up an update, one after the other: all tensors except frozen and local ones, in order.
  [[nodiscard]] const std::vector<TensorRun>& update_runs() const { return update_runs_; }
  /// Returns the runs of the local tensors, in order.
  [[nodiscard]] const std::vector<TensorRun>& local_runs() const { return local_runs_; }
  /// Returns the number of floats in an update: the sum of its runs.
  [[nodiscard]] std::size_t update_size() const { return update_size_; }
  /// Returns the number of floats in all local tensors.
  [[nodiscard]] std::size_t local_size() const { return local_size_; }
  /// Returns the number of floats in a vector of this manifest, including buffers, frozen and local tensors.
  [[nodiscard]] std::size_t parameter_count() const { return parameter_count_; }
  /// Returns the SHA-256 over the canonical encoding of names, roles (including frozen and local) and shapes
  /// (docs/formats/manifest.md).
  [[nodiscard]] const crypto::Digest& digest() const { return digest_; }
  /// Returns the tensor that holds the element `index` < parameter_count(), for messages that name a parameter.
  [[nodiscard]] const TensorInfo& tensor_at(std::size_t index) const;

  bool operator==(const ParameterManifest& other) const { return tensors_ == other.tensors_; }

 private:
  std::vector<TensorInfo> tensors_;
  std::vector<TensorRun> update_runs_, local_runs_;
  std::size_t update_size_ = 0;
  std::size_t local_size_ = 0;
  std::size_t parameter_count_ = 0;
  crypto::Digest digest_{};
};

}  // namespace consilium
