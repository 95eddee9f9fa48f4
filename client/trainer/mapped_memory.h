#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "client/trainer/protocol/channel.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// Shared memory that the host passed. It stays mapped until the object is destroyed.
class MappedMemory {
 public:
  /// Maps all of a descriptor's memory. Fails with kInvalidArgument if it isn't exactly `bytes` long.
  /// @param what  names the memory in errors, e.g. "the global model"
  static Result<MappedMemory> map(const Descriptor& descriptor, std::uint64_t bytes, bool writable, const char* what);
  MappedMemory(MappedMemory&& other) noexcept;
  MappedMemory& operator=(MappedMemory&& other) = delete;
  ~MappedMemory();

  template <class T>
  [[nodiscard]] std::span<T> as() const {
    return {static_cast<T*>(address_), bytes_ / sizeof(T)};
  }

 private:
  MappedMemory(void* address, std::size_t bytes) : address_(address), bytes_(bytes) {}
  void* address_;
  std::size_t bytes_;
};

}  // namespace consilium::trainer
