#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "common/error/error.h"
#include "common/files/descriptor.h"
#include "common/parameters/safetensors_header.h"

namespace consilium {

/// An open safetensors file and its table of tensors. Not thread-safe.
class SafetensorsFile {
 public:
  /// Opens a file and reads its header. The file may be hostile: the header is checked by parse_safetensors_header().
  /// Errors name the file.
  static Result<SafetensorsFile> open(const std::filesystem::path& file);

  [[nodiscard]] const std::map<std::string, SafetensorsEntry>& entries() const { return entries_; }

  /// Reads an F32 tensor in row-major order. Refuses NaN and infinity, another dtype, and a number of elements that
  /// differs from the size of `values`. Errors name the file and the tensor.
  /// @param name  name of an entry
  Result<void> read(const std::string& name, std::span<float> values) const;

 private:
  SafetensorsFile(std::filesystem::path path, files::Descriptor descriptor)
      : path_(std::move(path)), descriptor_(std::move(descriptor)) {}
  Result<void> read_header();
  Result<void> read_at(std::uint64_t offset, std::span<std::byte> target) const;

  std::filesystem::path path_;
  files::Descriptor descriptor_;
  std::map<std::string, SafetensorsEntry> entries_;
  std::uint64_t data_begin_ = 0;
};

}  // namespace consilium
