#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <system_error>
#include <utility>

#include "common/parameters/safetensors.h"
#include "common/parameters/safetensors_header.h"

namespace consilium {
namespace {

static_assert(std::endian::native == std::endian::little && std::numeric_limits<float>::is_iec559);

constexpr std::uint64_t kLengthBytes = 8;

tl::unexpected<Error> refuse(std::string message) { return fail(ErrorCode::kInvalidArgument, std::move(message)); }

/// A file open for reading; closes its descriptor.
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path)
      : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~InputFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  [[nodiscard]] Result<std::uint64_t> size() const {
    if (descriptor_ < 0) {
      const int reason = errno;
      return fail(reason == ENOENT ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument,
                  fmt::format("cannot be opened: {}", std::generic_category().message(reason)));
    }
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) return refuse("isn't a regular file");
    return static_cast<std::uint64_t>(status.st_size);
  }

  [[nodiscard]] Result<void> read(std::uint64_t offset, void* target, std::size_t bytes) const {
    auto* cursor = static_cast<char*>(target);
    while (bytes > 0) {
      const ssize_t got = ::pread(descriptor_, cursor, bytes, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0)
        return fail(ErrorCode::kInternal, fmt::format("cannot be read: {}", std::generic_category().message(errno)));
      if (got == 0) return refuse("ended while it was being read");
      cursor += got;
      offset += static_cast<std::uint64_t>(got);
      bytes -= static_cast<std::size_t>(got);
    }
    return {};
  }

 private:
  int descriptor_;
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
  CONSILIUM_ASSIGN(const std::uint64_t file_bytes, file.size());
  if (file_bytes < kLengthBytes) return refuse(fmt::format("has {} bytes, too few for a safetensors file", file_bytes));
  std::uint64_t header_bytes = 0;
  CONSILIUM_TRY(file.read(0, &header_bytes, kLengthBytes));
  if (header_bytes > kMaxSafetensorsHeaderBytes || header_bytes > file_bytes - kLengthBytes) {
    return refuse(
        fmt::format("declares a header of {} bytes, but has {} bytes after the length, and at most {} are accepted",
                    header_bytes, file_bytes - kLengthBytes, kMaxSafetensorsHeaderBytes));
  }
  std::string text(header_bytes, '\0');
  CONSILIUM_TRY(file.read(kLengthBytes, text.data(), text.size()));
  const std::uint64_t data_begin = kLengthBytes + header_bytes;
  CONSILIUM_ASSIGN(const auto entries, parse_safetensors_header(text, file_bytes - data_begin));
  CONSILIUM_ASSIGN(const std::vector<std::uint64_t> begins, locate_tensors(entries, manifest));

  ParameterVector parameters(manifest.parameter_count());  // no larger than the file, as the tensors tile its data
  for (std::size_t i = 0; i < begins.size(); ++i) {
    const TensorInfo& tensor = manifest.tensors()[i];
    const std::span<float> values(parameters.data() + tensor.offset, tensor.size);
    CONSILIUM_TRY(file.read(data_begin + begins[i], values.data(), values.size_bytes()));
    CONSILIUM_TRY(check_finite(tensor, values));
  }
  return parameters;
}

}  // namespace

Result<ParameterVector> read_safetensors(const std::filesystem::path& file, const ParameterManifest& manifest) {
  auto parameters = read(InputFile(file), manifest);
  if (!parameters) return fail(parameters.error().within(file.string()));
  return parameters;
}

}  // namespace consilium
