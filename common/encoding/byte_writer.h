#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace consilium::encoding {

/// Writes the canonical records that are hashed and signed: little-endian, without padding between the fields.
class ByteWriter {
 public:
  void bytes(std::span<const std::byte> from) { out_.insert(out_.end(), from.begin(), from.end()); }
  void bytes(std::span<const std::uint8_t> from) { bytes(std::as_bytes(from)); }
  void text(std::string_view from) { bytes(std::as_bytes(std::span(from))); }
  template <class Unsigned>
  void integer(Unsigned value) {
    for (std::size_t i = 0; i < sizeof(Unsigned); ++i) {
      out_.push_back(static_cast<std::byte>(std::uint64_t{value} >> (8 * i) & 0xFF));
    }
  }
  /// Writes the number of bytes as an `Unsigned`, then the bytes.
  template <class Unsigned>
  void prefixed(std::span<const std::byte> from) {
    integer(static_cast<Unsigned>(from.size()));
    bytes(from);
  }
  template <class Unsigned>
  void prefixed(std::string_view from) {
    prefixed<Unsigned>(std::as_bytes(std::span(from)));
  }
  template <class Enum>
  void kind(Enum value) {
    integer(static_cast<std::uint8_t>(value));
  }
  void number(double value) { integer(std::bit_cast<std::uint64_t>(value)); }

  [[nodiscard]] std::vector<std::byte> take() { return std::move(out_); }

 private:
  std::vector<std::byte> out_;
};

}  // namespace consilium::encoding
