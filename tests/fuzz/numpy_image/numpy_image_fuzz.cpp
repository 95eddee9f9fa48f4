#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "client/trainer/data/numpy_image.h"

// An image of any bytes is refused, or has as many pixels as its shape.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace consilium;
  static const int file = ::memfd_create("npy", MFD_CLOEXEC);
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, bytes, size, 0) != static_cast<ssize_t>(size)) std::abort();
  const auto image = data::decode_numpy("/proc/self/fd/" + std::to_string(file), {.max_bytes = 1 << 20});
  if (!image) return 0;
  std::size_t pixels = 1;
  for (const std::int64_t side : image->shape) pixels *= static_cast<std::size_t>(side);
  const bool whole = std::visit([&](const auto& values) { return values.size() == pixels; }, image->pixels);
  if (!whole) std::abort();
  return 0;
}
