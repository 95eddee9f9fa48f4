#include "client/trainer/mapped_memory.h"

#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace consilium::trainer {

Result<MappedMemory> MappedMemory::map(const Descriptor& descriptor, std::uint64_t bytes, bool writable,
                                       const char* what) {
  struct stat state {};
  if (::fstat(descriptor.get(), &state) != 0 || !S_ISREG(state.st_mode)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: expected shared memory, found another kind of descriptor", what));
  }
  if (state.st_size < 0 || static_cast<std::uint64_t>(state.st_size) != bytes || bytes == 0) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: expected {} bytes, found {}", what, bytes, state.st_size));
  }
  // Populates all pages at once, because a fault for every page costs more than the copy that touches them.
  void* address = ::mmap(nullptr, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED | MAP_POPULATE,
                         descriptor.get(), 0);
  if (address == MAP_FAILED) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}: cannot be mapped: {}", what, std::strerror(errno)));
  }
  return MappedMemory(address, bytes);
}

MappedMemory::MappedMemory(MappedMemory&& other) noexcept
    : address_(std::exchange(other.address_, nullptr)), bytes_(other.bytes_) {}

MappedMemory::~MappedMemory() {
  if (address_ != nullptr) {
    ::munmap(address_, bytes_);
  }
}

}  // namespace consilium::trainer
