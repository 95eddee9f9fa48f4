#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "client/trainer/data/dataset.h"

using namespace consilium;
namespace fs = std::filesystem;

namespace {

/// A folder with MNIST's four names: images are one file in memory, labels another. The first byte of an input splits
/// it.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("consilium_fuzz_idx_" + std::to_string(::getpid()));
  int images = ::memfd_create("images", MFD_CLOEXEC);
  int labels = ::memfd_create("labels", MFD_CLOEXEC);

  Folder() {
    fs::create_directories(path);
    for (const std::string prefix : {"train", "t10k"}) {
      fs::create_symlink("/proc/self/fd/" + std::to_string(images), path / (prefix + "-images-idx3-ubyte"));
      fs::create_symlink("/proc/self/fd/" + std::to_string(labels), path / (prefix + "-labels-idx1-ubyte"));
    }
  }
  ~Folder() { fs::remove_all(path); }
};

void fill(int file, const std::uint8_t* bytes, std::size_t size) {
  if (::ftruncate(file, 0) != 0 || ::pwrite(file, bytes, size, 0) != static_cast<ssize_t>(size)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const Folder folder;
  if (size == 0) return 0;
  const std::size_t images = std::min<std::size_t>(bytes[0], size - 1);
  fill(folder.images, bytes + 1, images);
  fill(folder.labels, bytes + 1 + images, size - 1 - images);
  const auto dataset = data::read_dataset({"idx", folder.path.string()}, {1, 2, 2}, 3, data::ReadLimits{1 << 20});
  if (dataset && dataset->train.size() * 4 != std::get<0>(dataset->train.values).size()) std::abort();
  return 0;
}
