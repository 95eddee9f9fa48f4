#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/error/error.h"

namespace consilium::crypto {

/// Bytes of key material, in OpenSSL's secure heap (locked, between guard pages, left out of core dumps; see
/// secrets_locked()). They are overwritten before they are freed. They can't be copied by accident or printed, and can
/// be compared only in constant time. A single object isn't thread-safe, but different objects are independent.
class SecretBytes {
 public:
  SecretBytes() noexcept = default;
  ~SecretBytes() { wipe(); }
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;

  /// Allocates `size` zero bytes. Fails with kResourceExhausted if the secure heap is full, and with kInternal if there
  /// is no memory for one.
  static Result<SecretBytes> allocate(std::size_t size);
  /// Copies the bytes of `source`. The caller is responsible for wiping `source`.
  static Result<SecretBytes> copy_of(std::span<const std::uint8_t> source);
  /// Makes a second object with the same bytes, deliberately.
  [[nodiscard]] Result<SecretBytes> clone() const { return copy_of(bytes()); }

  [[nodiscard]] std::span<std::uint8_t> bytes() { return {data_, size_}; }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {data_, size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// Overwrites and frees the bytes. The object is then empty.
  void wipe() noexcept;

 private:
  SecretBytes(std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Returns true if the secure heap is locked in memory and left out of core dumps. It isn't if RLIMIT_MEMLOCK allows
/// less than 4 MiB. Secrets are wiped all the same, but may be swapped out before that.
[[nodiscard]] bool secrets_locked();

/// Compares in a time that depends only on the sizes. Spans of different sizes are unequal.
[[nodiscard]] bool equal_in_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b);

}  // namespace consilium::crypto
