#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/crypto/sha256.h"

namespace consilium::encoding {

/// Reads hostile bytes of a canonical record. After the first error every read returns zeros, so the caller needs to
/// check only once.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  /// Returns the next `count` bytes, or none if fewer are left.
  std::span<const std::byte> bytes(std::size_t count);
  /// Fills `out` with the next bytes, or with zeros after an error.
  void fill(std::span<std::uint8_t> out);
  /// Reads an integer of the width of `Unsigned`, and refuses one outside of `low` to `high`.
  template <class Unsigned>
  Unsigned integer(std::string_view what, std::uint64_t low, std::uint64_t high) {
    return static_cast<Unsigned>(ranged(what, sizeof(Unsigned), low, high));
  }
  template <class Enum>
  Enum kind(std::string_view what, Enum last) {
    return static_cast<Enum>(integer<std::uint8_t>(what, 1, static_cast<std::uint8_t>(last)));
  }
  /// Reads what prefixed<Unsigned>() wrote, `low` to `high` bytes long.
  template <class Unsigned>
  std::span<const std::byte> prefixed(std::string_view what, std::size_t low, std::size_t high) {
    return bytes(integer<Unsigned>(what, low, high));
  }
  template <class Unsigned>
  std::string text(std::string_view what, std::size_t low, std::size_t high) {
    const auto read = prefixed<Unsigned>(what, low, high);
    return {reinterpret_cast<const char*>(read.data()), read.size()};
  }
  /// Reads a finite number from 0 to `high`. Refuses -0, so that zero has only one encoding.
  double number(std::string_view what, double high);
  crypto::Digest digest();

  void refuse(std::string why);
  [[nodiscard]] bool ok() const { return error_.empty(); }
  [[nodiscard]] const std::string& error() const { return error_; }
  [[nodiscard]] std::size_t left() const { return rest_.size(); }

 private:
  std::uint64_t ranged(std::string_view what, std::size_t width, std::uint64_t low, std::uint64_t high);

  std::span<const std::byte> rest_;
  std::string error_;
};

}  // namespace consilium::encoding
