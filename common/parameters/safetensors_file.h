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

/// A safetensors file that is open, and its table of tensors. Not thread-safe.
class SafetensorsFile {
 public:
  /// Opens a file and reads its header. The file is hostile: what parse_safetensors_header() says holds. Errors name
  /// the file.
  static Result<SafetensorsFile> open(const std::filesystem::path& file);

  [[nodiscard]] const std::map<std::string, SafetensorsEntry>& entries() const { return entries_; }

  /// Reads a tensor of F32, in row-major order. Refuses NaN and infinity, another dtype, and another number of elements
  /// than `values` has. Errors name file and tensor.
  /// @param name  of an entry
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
