#include <spdlog/fmt/fmt.h>

#include <bit>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/files/atomic_file.h"
#include "common/parameters/safetensors.h"
#include "common/parameters/safetensors_header.h"

namespace consilium {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kRunningMean = "running_mean";
constexpr std::string_view kCounter = "num_batches_tracked";

/// Returns the names of the step counters that PyTorch keeps beside each batch norm's running mean.
std::vector<std::string> counters_of(const ParameterManifest& manifest) {
  std::vector<std::string> names;
  for (const TensorInfo& tensor : manifest.tensors()) {
    const std::string_view name = tensor.name;
    if (tensor.role != TensorRole::kBuffer || !name.ends_with(kRunningMean)) continue;
    names.push_back(std::string(name.substr(0, name.size() - kRunningMean.size())).append(kCounter));
  }
  return names;
}

/// Builds the header. The counters come first, so that every tensor is aligned to its element size.
std::string header_of(const ParameterManifest& manifest, std::size_t counter_bytes,
                      const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) {
    auto& values = header["__metadata__"] = nlohmann::ordered_json::object();
    for (const auto& [key, value] : metadata) values[key] = value;
  }
  std::size_t begin = 0;
  for (const std::string& name : counters_of(manifest)) {
    header[name] = {{"dtype", "I64"},
                    {"shape", nlohmann::ordered_json::array()},
                    {"data_offsets", {begin, begin + sizeof(std::int64_t)}}};
    begin += sizeof(std::int64_t);
  }
  for (const TensorInfo& tensor : manifest.tensors()) {
    begin = counter_bytes + tensor.offset * sizeof(float);
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {begin, begin + tensor.size * sizeof(float)}}};
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

Result<void> write(const std::filesystem::path& target, const ParameterManifest& manifest,
                   std::span<const float> parameters, const std::map<std::string, std::string>& metadata) {
  if (parameters.size() != manifest.parameter_count()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: expected {} parameters to write, found {}", target.string(),
                            manifest.parameter_count(), parameters.size()));
  }
  const std::vector<std::int64_t> counters(counters_of(manifest).size(), 0);
  const std::string header = header_of(manifest, counters.size() * sizeof(std::int64_t), metadata);
  if (header.size() > kMaxSafetensorsHeaderBytes) {
    return fail(ErrorCode::kResourceExhausted, fmt::format("{}: its header would have {} bytes, at most {} fit",
                                                           target.string(), header.size(), kMaxSafetensorsHeaderBytes));
  }
  const std::uint64_t header_bytes = header.size();
  CONSILIUM_ASSIGN(files::AtomicFile file, files::AtomicFile::create_beside(target, files::Access::kUmask));
  CONSILIUM_TRY(file.write(std::as_bytes(std::span(&header_bytes, 1))));
  CONSILIUM_TRY(file.write(std::as_bytes(std::span(header))));
  CONSILIUM_TRY(file.write(std::as_bytes(std::span(counters))));
  CONSILIUM_TRY(file.write(std::as_bytes(parameters)));
  CONSILIUM_TRY(file.sync());
  return file.rename_to(target);
}

}  // namespace

Result<void> write_safetensors(const std::filesystem::path& file, const ParameterManifest& manifest,
                               std::span<const float> parameters, const std::map<std::string, std::string>& metadata) {
  return write(file, manifest, parameters, metadata);
}

}  // namespace consilium
