#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium {

/// One tensor as declared in a safetensors header. `begin` and `end` are byte offsets into the data after the header.
struct SafetensorsEntry {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Largest header accepted, in bytes.
inline constexpr std::uint64_t kMaxSafetensorsHeaderBytes = std::uint64_t{4} << 20;

/// Returns true for a batch norm's step counter, which no manifest contains.
[[nodiscard]] bool counts_batches(std::string_view tensor_name);

/// Parses a header's JSON. Refuses repeated names, unknown fields, negative or absurd numbers, and tensors that don't
/// tile the data exactly.
/// @param data_bytes  number of bytes after the header in the file
Result<std::map<std::string, SafetensorsEntry>> parse_safetensors_header(std::string_view json,
                                                                         std::uint64_t data_bytes);

/// Checks that a file's tensors match the manifest. Refuses missing and surplus tensors, other dtypes and other shapes.
Result<void> check_tensors(const std::map<std::string, SafetensorsEntry>& entries, const ParameterManifest& manifest);

/// Checks that a tensor holds this number of float32 values.
Result<void> check_values(std::string_view name, const SafetensorsEntry& entry, std::uint64_t elements);

}  // namespace consilium
