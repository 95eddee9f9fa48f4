#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/error/error.h"

namespace consilium::crypto {

/// Bytes of key material. They lie in OpenSSL's secure heap (locked, between guard pages, left out of core dumps), are
/// overwritten before they are given back, and cannot be copied by accident, printed, or compared but in constant time.
/// An object is not thread-safe; different objects are.
class SecretBytes {
 public:
  SecretBytes() noexcept = default;
  ~SecretBytes() { wipe(); }
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;

  /// Takes `size` bytes, all zero. kResourceExhausted where the secure heap is full.
  static Result<SecretBytes> allocate(std::size_t size);
  /// Takes the bytes of `source`, whose own copy is the caller's to wipe.
  static Result<SecretBytes> copy_of(std::span<const std::uint8_t> source);
  /// Makes a second object of the same bytes, on purpose.
  [[nodiscard]] Result<SecretBytes> clone() const { return copy_of(bytes()); }

  [[nodiscard]] std::span<std::uint8_t> bytes() { return {data_, size_}; }
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {data_, size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// Overwrites the bytes and gives them back; the object is then empty.
  void wipe() noexcept;

 private:
  SecretBytes(std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Says whether the secure heap is locked in memory and left out of core dumps. Where RLIMIT_MEMLOCK allows less than
/// 4 MiB it is not: secrets are wiped all the same, but may be swapped out meanwhile.
[[nodiscard]] bool secrets_locked();

/// Compares in a time that depends on the sizes alone; different sizes are different.
[[nodiscard]] bool equal_in_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b);

}  // namespace consilium::crypto
