#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "client/trainer/protocol/channel.h"
#include "client/trainer_process/trainer_process.h"

namespace consilium::trainer {

Result<SharedVector> SharedVector::create(std::size_t bytes) {
  const auto refused = [bytes](std::string_view step) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("shared memory for the trainer, {} bytes: {}: {}", bytes, step, std::strerror(errno)));
  };
  if (bytes == 0) return fail(ErrorCode::kInvalidArgument, "shared memory for the trainer: 0 bytes");
  Descriptor memory(memfd_create("consilium-vector", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory) return refused("memfd_create");
  if (ftruncate(memory.get(), static_cast<off_t>(bytes)) != 0) return refused("ftruncate");
  if (fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) return refused("F_ADD_SEALS");
  // MAP_POPULATE maps all pages at once; mapping them one by one in page faults costs several times as much.
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory.get(), 0);
  if (data == MAP_FAILED) return refused("mmap");
  return SharedVector(memory.release(), data, bytes);
}

SharedVector::SharedVector(SharedVector&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

SharedVector& SharedVector::operator=(SharedVector&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

SharedVector::~SharedVector() {
  if (data_ != nullptr) munmap(data_, size_);
  if (fd_ >= 0) close(fd_);
}

std::span<std::byte> SharedVector::bytes() { return {static_cast<std::byte*>(data_), size_}; }

std::span<float> SharedVector::floats() { return {static_cast<float*>(data_), size_ / sizeof(float)}; }

std::span<std::uint64_t> SharedVector::counts() {
  return {static_cast<std::uint64_t*>(data_), size_ / sizeof(std::uint64_t)};
}

Result<void> resize(std::optional<SharedVector>& vector, std::size_t bytes) {
  if (vector && vector->bytes().size() == bytes) return {};
  vector.reset();
  CONSILIUM_ASSIGN(SharedVector created, SharedVector::create(bytes));
  vector.emplace(std::move(created));
  return {};
}

}  // namespace consilium::trainer
