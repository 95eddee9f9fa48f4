#include <spdlog/fmt/fmt.h>

#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "common/files/descriptor.h"
#include "common/parameters/safetensors.h"
#include "common/parameters/safetensors_header.h"

namespace consilium {
namespace {

static_assert(std::endian::native == std::endian::little && std::numeric_limits<float>::is_iec559);

constexpr std::uint64_t kLengthBytes = 8;

/// A file open for reading.
struct InputFile {
  const std::filesystem::path& path;
  files::Descriptor descriptor;

  [[nodiscard]] Result<void> read(std::uint64_t offset, std::span<std::byte> target) const {
    CONSILIUM_ASSIGN(const std::size_t got, files::read_at(descriptor, offset, target, path));
    if (got != target.size()) return refuse("ended while it was being read");
    return {};
  }
};

Result<void> check_finite(const TensorInfo& tensor, std::span<const float> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return refuse(fmt::format("tensor '{}': element {} is {}, expected a finite number", tensor.name, i, values[i]));
    }
  }
  return {};
}

Result<ParameterVector> read(const InputFile& file, const ParameterManifest& manifest) {
  CONSILIUM_ASSIGN(const std::uint64_t file_bytes, files::size_of(file.descriptor, file.path));
  if (file_bytes < kLengthBytes) return refuse(fmt::format("has {} bytes, too few for a safetensors file", file_bytes));
  std::uint64_t header_bytes = 0;
  CONSILIUM_TRY(file.read(0, std::as_writable_bytes(std::span(&header_bytes, 1))));
  if (header_bytes > kMaxSafetensorsHeaderBytes || header_bytes > file_bytes - kLengthBytes) {
    return refuse(
        fmt::format("declares a header of {} bytes, but has {} bytes after the length, and at most {} are accepted",
                    header_bytes, file_bytes - kLengthBytes, kMaxSafetensorsHeaderBytes));
  }
  std::string text(header_bytes, '\0');
  CONSILIUM_TRY(file.read(kLengthBytes, std::as_writable_bytes(std::span(text))));
  const std::uint64_t data_begin = kLengthBytes + header_bytes;
  CONSILIUM_ASSIGN(const auto entries, parse_safetensors_header(text, file_bytes - data_begin));
  CONSILIUM_ASSIGN(const std::vector<std::uint64_t> begins, locate_tensors(entries, manifest));

  ParameterVector parameters(manifest.parameter_count());  // no larger than the file, as the tensors tile its data
  for (std::size_t i = 0; i < begins.size(); ++i) {
    const TensorInfo& tensor = manifest.tensors()[i];
    const std::span<float> values(parameters.data() + tensor.offset, tensor.size);
    CONSILIUM_TRY(file.read(data_begin + begins[i], std::as_writable_bytes(values)));
    CONSILIUM_TRY(check_finite(tensor, values));
  }
  return parameters;
}

}  // namespace

Result<ParameterVector> read_safetensors(const std::filesystem::path& file, const ParameterManifest& manifest) {
  CONSILIUM_ASSIGN(files::Descriptor descriptor, files::open_regular(file));
  auto parameters = read(InputFile{file, std::move(descriptor)}, manifest);
  if (!parameters) return fail(parameters.error().within(file.string()));
  return parameters;
}

}  // namespace consilium
