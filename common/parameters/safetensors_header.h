#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium {

/// One tensor as a safetensors header declares it; begin and end are byte offsets into the data that follows the
/// header.
struct SafetensorsEntry {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Largest header accepted, in bytes.
inline constexpr std::uint64_t kMaxSafetensorsHeaderBytes = std::uint64_t{4} << 20;

/// True for a batch norm's step counter, which no manifest holds.
[[nodiscard]] bool counts_batches(std::string_view tensor_name);

/// Reads a header's JSON. Refuses repeated names, unknown fields, negative or absurd numbers, and tensors that don't
/// tile the data exactly.
/// @param data_bytes bytes that follow the header in the file
Result<std::map<std::string, SafetensorsEntry>> parse_safetensors_header(std::string_view json,
                                                                         std::uint64_t data_bytes);

/// Checks that a file's tensors are the manifest's. Refuses missing and surplus ones, other dtypes and other shapes.
Result<void> check_tensors(const std::map<std::string, SafetensorsEntry>& entries, const ParameterManifest& manifest);

/// Checks that a tensor holds so many float32.
Result<void> check_values(std::string_view name, const SafetensorsEntry& entry, std::uint64_t elements);

}  // namespace consilium
