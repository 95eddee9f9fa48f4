#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "client/trainer/data/dataset.h"
#include "client/trainer/data/npy_header.h"

using namespace consilium;

/// After an even first byte the rest is an archive, after an odd one a .npy dictionary.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  if (bytes[0] % 2 == 1) {
    (void)data::parse_npy_dictionary({reinterpret_cast<const char*>(bytes) + 1, size - 1});
    return 0;
  }
  static const int file = ::memfd_create("npz", MFD_CLOEXEC);
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, bytes + 1, size - 1, 0) != static_cast<ssize_t>(size - 1))
    std::abort();
  const auto dataset =
      data::read_dataset({"npz", "/proc/self/fd/" + std::to_string(file)}, {1, 2, 2}, 3, data::ReadLimits{1 << 20});
  if (dataset) {
    for (const auto label : dataset->train.labels) {
      if (label >= 3) std::abort();
    }
  }
  return 0;
}
