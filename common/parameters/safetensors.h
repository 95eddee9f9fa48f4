#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "common/error/error.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium {

/// Writes a model as a safetensors file (F32 tensors in manifest order, header padded to 8 bytes) to a temporary file
/// and renames it. A batch norm's `num_batches_tracked` isn't part of updates; it is written as an I64 zero beside each
/// `running_mean`, so that PyTorch's load_state_dict(strict=True) accepts the file.
/// @param parameters manifest.parameter_count() floats
/// @param metadata   written as `__metadata__`
Result<void> write_safetensors(const std::filesystem::path& file, const ParameterManifest& manifest,
                               std::span<const float> parameters, const std::map<std::string, std::string>& metadata);

/// Reads the tensors that the manifest names, in its order, and skips I64 `num_batches_tracked` entries. The file may
/// be hostile: header size, offsets, overlaps, dtypes and shapes are checked before anything is allocated, and NaN or
/// infinity is refused. Errors name the file and the tensor, with the expected and the found shape or dtype.
Result<ParameterVector> read_safetensors(const std::filesystem::path& file, const ParameterManifest& manifest);

}  // namespace consilium
