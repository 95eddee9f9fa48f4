#include <spdlog/fmt/fmt.h>

#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "common/parameters/safetensors.h"
#include "common/parameters/safetensors_file.h"
#include "common/parameters/safetensors_header.h"

namespace consilium {
namespace {

static_assert(std::endian::native == std::endian::little && std::numeric_limits<float>::is_iec559);

constexpr std::uint64_t kLengthBytes = 8;

Result<void> check_finite(std::string_view name, std::span<const float> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return refuse(fmt::format("tensor '{}': element {} is {}, expected a finite number", name, i, values[i]));
    }
  }
  return {};
}

Result<ParameterVector> read_all(const SafetensorsFile& file, const ParameterManifest& manifest) {
  ParameterVector parameters(manifest.parameter_count());  // no larger than the file, because the tensors tile its data
  for (const TensorInfo& tensor : manifest.tensors())
    CONSILIUM_TRY(file.read(tensor.name, std::span(parameters).subspan(tensor.offset, tensor.size)));
  return parameters;
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path) {
  CONSILIUM_ASSIGN(files::Descriptor descriptor, files::open_regular(path));
  SafetensorsFile file(path, std::move(descriptor));
  if (auto read = file.read_header(); !read) return fail(read.error().within(path.string()));
  return file;
}

Result<void> SafetensorsFile::read_at(std::uint64_t offset, std::span<std::byte> target) const {
  CONSILIUM_ASSIGN(const std::size_t got, files::read_at(descriptor_, offset, target, path_));
  if (got != target.size()) return refuse("ended while it was being read");
  return {};
}

Result<void> SafetensorsFile::read_header() {
  CONSILIUM_ASSIGN(const std::uint64_t file_bytes, files::size_of(descriptor_, path_));
  if (file_bytes < kLengthBytes) return refuse(fmt::format("has {} bytes, too few for a safetensors file", file_bytes));
  std::uint64_t header_bytes = 0;
  CONSILIUM_TRY(read_at(0, std::as_writable_bytes(std::span(&header_bytes, 1))));
  if (header_bytes > kMaxSafetensorsHeaderBytes || header_bytes > file_bytes - kLengthBytes) {
    return refuse(
        fmt::format("declares a header of {} bytes, but has {} bytes after the length, and at most {} are accepted",
                    header_bytes, file_bytes - kLengthBytes, kMaxSafetensorsHeaderBytes));
  }
  std::string text(header_bytes, '\0');
  CONSILIUM_TRY(read_at(kLengthBytes, std::as_writable_bytes(std::span(text))));
  data_begin_ = kLengthBytes + header_bytes;
  CONSILIUM_ASSIGN(entries_, parse_safetensors_header(text, file_bytes - data_begin_));
  return {};
}

Result<void> SafetensorsFile::read(const std::string& name, std::span<float> values) const {
  const auto read = [&]() -> Result<void> {
    const auto found = entries_.find(name);
    if (found == entries_.end()) return refuse(fmt::format("tensor '{}' is missing", name));
    CONSILIUM_TRY(check_values(name, found->second, values.size()));
    CONSILIUM_TRY(read_at(data_begin_ + found->second.begin, std::as_writable_bytes(values)));
    return check_finite(name, values);
  }();
  if (!read) return fail(read.error().within(path_.string()));
  return {};
}

Result<ParameterVector> read_safetensors(const std::filesystem::path& path, const ParameterManifest& manifest) {
  CONSILIUM_ASSIGN(const SafetensorsFile file, SafetensorsFile::open(path));
  if (auto fits = check_tensors(file.entries(), manifest); !fits) return fail(fits.error().within(path.string()));
  return read_all(file, manifest);
}

}  // namespace consilium
