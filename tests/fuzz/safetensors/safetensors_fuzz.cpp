#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "common/parameters/safetensors.h"

using namespace consilium;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const ParameterManifest manifest = *ParameterManifest::create(
      {{"a", {2}, TensorRole::kTrainable, 0, 0}, {"bn.running_mean", {1}, TensorRole::kBuffer, 0, 0}});
  static const int file = ::memfd_create("safetensors", MFD_CLOEXEC);
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, data, size, 0) != static_cast<ssize_t>(size)) std::abort();
  const auto parameters = read_safetensors("/proc/self/fd/" + std::to_string(file), manifest);
  if (parameters) {
    for (const float value : *parameters) {
      if (!std::isfinite(value)) std::abort();
    }
  }
  return 0;
}
