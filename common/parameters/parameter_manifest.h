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

/// One tensor of a model: its PyTorch name and shape, and where it lies in a ParameterVector.
struct TensorInfo {
  std::string name;
  std::vector<std::int64_t> shape;  ///< row-major, as in PyTorch
  TensorRole role = TensorRole::kTrainable;
  std::size_t offset = 0;  ///< first element, in floats
  std::size_t size = 0;    ///< elements: the product of shape
  bool frozen = false;     ///< it stays as it begins, and is in no update
  bool local = false;      ///< each site trains its own, which is in no update

  bool operator==(const TensorInfo&) const = default;
};

/// A maximal run of adjacent tensors of one role that go the same way.
struct TensorRun {
  std::size_t offset = 0;  ///< first element in a ParameterVector
  std::size_t size = 0;    ///< elements
  TensorRole role = TensorRole::kTrainable;

  bool operator==(const TensorRun&) const = default;
};

/// A model's parameters as one flat vector of float32, in state_dict order.
using ParameterVector = std::vector<float>;

/// The table that says which name, shape and offset each tensor of a ParameterVector has. Immutable; safe to share
/// between threads.
class ParameterManifest {
 public:
  /// Largest number of floats a model may have (8 GiB of float32), so that no size computation overflows.
  static constexpr std::size_t kMaxParameters = std::size_t{1} << 31;

  /// Lays the tensors out one after the other; offset and size of each are computed, what they hold is ignored.
  /// Fails with kInvalidArgument on an empty or repeated name, a dimension < 1, or more than kMaxParameters elements.
  static Result<ParameterManifest> create(std::vector<TensorInfo> tensors);

  [[nodiscard]] const std::vector<TensorInfo>& tensors() const { return tensors_; }
  /// The runs that an update holds, one after the other: all tensors but the frozen and the local ones, in order.
  [[nodiscard]] const std::vector<TensorRun>& update_runs() const { return update_runs_; }
  /// The runs of the local tensors, in order.
  [[nodiscard]] const std::vector<TensorRun>& local_runs() const { return local_runs_; }
  /// Floats in an update: the sum of its runs.
  [[nodiscard]] std::size_t update_size() const { return update_size_; }
  /// Floats of all local tensors.
  [[nodiscard]] std::size_t local_size() const { return local_size_; }
  /// Floats in a vector of this manifest, buffers, frozen and local tensors included.
  [[nodiscard]] std::size_t parameter_count() const { return parameter_count_; }
  /// SHA-256 over the canonical encoding of names, roles (frozen or local, too) and shapes (docs/formats/manifest.md).
  [[nodiscard]] const crypto::Digest& digest() const { return digest_; }
  /// Returns the tensor that holds the element `index` < parameter_count(): for messages that name a parameter.
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
