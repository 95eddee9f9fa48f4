#include "common/parameters/parameter_manifest.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cassert>
#include <set>
#include <string_view>
#include <utility>

namespace consilium {
namespace {

constexpr std::string_view kDomain = "consilium/v1/manifest";
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kMaxRank = 8;
/// Added to the role of a frozen tensor in the canonical encoding.
constexpr unsigned kFrozenRole = 16;
/// Added to the role of a local tensor.
constexpr unsigned kLocalRole = 32;

bool printable(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char letter) { return letter >= 0x20 && letter <= 0x7E; });
}

Result<void> check_name(std::string_view name) {
  if (name.empty()) return refuse("a tensor has an empty name");
  if (name.size() > kMaxNameBytes)
    return refuse(fmt::format("a tensor's name has {} bytes, at most {} fit", name.size(), kMaxNameBytes));
  if (!printable(name)) return refuse("a tensor's name holds something other than printable ASCII");
  if (name == "__metadata__") return refuse("a tensor is named __metadata__, which safetensors reserves");
  return {};
}

Result<std::size_t> elements_of(const TensorInfo& tensor) {
  if (tensor.shape.size() > kMaxRank) {
    return refuse(
        fmt::format("tensor '{}' has {} dimensions, at most {} fit", tensor.name, tensor.shape.size(), kMaxRank));
  }
  std::size_t size = 1;
  for (const std::int64_t dimension : tensor.shape) {
    if (dimension < 1) return refuse(fmt::format("tensor '{}' has a dimension of {}", tensor.name, dimension));
    if (static_cast<std::uint64_t>(dimension) > ParameterManifest::kMaxParameters / size) {
      return refuse(
          fmt::format("tensor '{}' has more than {} elements", tensor.name, ParameterManifest::kMaxParameters));
    }
    size *= static_cast<std::size_t>(dimension);
  }
  return size;
}

void append(std::string& text, std::uint64_t value) {
  for (int i = 0; i < 8; ++i) text.push_back(static_cast<char>((value >> (8 * i)) & 0xFF));
}

/// Returns the bytes of docs/formats/manifest.md, "Canonical encoding".
std::string canonical(const std::vector<TensorInfo>& tensors) {
  std::string text;
  append(text, kDomain.size());
  text += kDomain;
  append(text, tensors.size());
  for (const TensorInfo& tensor : tensors) {
    append(text, tensor.name.size());
    text += tensor.name;
    const unsigned way = tensor.frozen ? kFrozenRole : tensor.local ? kLocalRole : 0U;
    text.push_back(static_cast<char>(static_cast<unsigned>(tensor.role) + way));
    append(text, tensor.shape.size());
    for (const std::int64_t dimension : tensor.shape) append(text, static_cast<std::uint64_t>(dimension));
  }
  return text;
}

template <class Belongs>
std::vector<TensorRun> runs_of(const std::vector<TensorInfo>& tensors, Belongs belongs) {
  std::vector<TensorRun> runs;
  for (const TensorInfo& tensor : tensors) {
    if (!belongs(tensor)) continue;
    const bool goes_on =
        !runs.empty() && runs.back().role == tensor.role && runs.back().offset + runs.back().size == tensor.offset;
    if (goes_on) {
      runs.back().size += tensor.size;
    } else {
      runs.push_back({tensor.offset, tensor.size, tensor.role});
    }
  }
  return runs;
}

}  // namespace

Result<ParameterManifest> ParameterManifest::create(std::vector<TensorInfo> tensors) {
  ParameterManifest manifest;
  std::set<std::string_view> names;
  std::size_t offset = 0;
  for (TensorInfo& tensor : tensors) {
    CONSILIUM_TRY(check_name(tensor.name));
    if (!names.insert(tensor.name).second) return refuse(fmt::format("two tensors are named '{}'", tensor.name));
    CONSILIUM_ASSIGN(tensor.size, elements_of(tensor));
    if (tensor.size > kMaxParameters - offset) {
      return refuse(
          fmt::format("the model has more than {} parameters, counted up to tensor '{}'", kMaxParameters, tensor.name));
    }
    if (tensor.frozen && tensor.local)
      return refuse(fmt::format("tensor '{}' can't be both frozen and local", tensor.name));
    tensor.offset = offset;
    offset += tensor.size;
  }
  manifest.digest_ = crypto::sha256(std::string_view(canonical(tensors)));
  manifest.tensors_ = std::move(tensors);
  manifest.update_runs_ =
      runs_of(manifest.tensors_, [](const TensorInfo& tensor) { return !tensor.frozen && !tensor.local; });
  manifest.local_runs_ = runs_of(manifest.tensors_, [](const TensorInfo& tensor) { return tensor.local; });
  for (const TensorRun& run : manifest.update_runs_) manifest.update_size_ += run.size;
  for (const TensorRun& run : manifest.local_runs_) manifest.local_size_ += run.size;
  manifest.parameter_count_ = offset;
  return manifest;
}

const TensorInfo& ParameterManifest::tensor_at(std::size_t index) const {
  assert(index < parameter_count_);
  const auto after =
      std::upper_bound(tensors_.begin(), tensors_.end(), index,
                       [](std::size_t value, const TensorInfo& tensor) { return value < tensor.offset; });
  return *std::prev(after);
}

}  // namespace consilium
