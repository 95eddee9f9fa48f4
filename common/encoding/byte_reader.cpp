#include "common/encoding/byte_reader.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

namespace consilium::encoding {

std::span<const std::byte> ByteReader::bytes(std::size_t count) {
  if (count > rest_.size()) refuse("ends too early");
  if (!ok()) return {};
  const auto taken = rest_.first(count);
  rest_ = rest_.subspan(count);
  return taken;
}

void ByteReader::fill(std::span<std::uint8_t> out) {
  const auto taken = bytes(out.size());
  std::ranges::fill(out, std::uint8_t{0});
  if (!taken.empty()) std::memcpy(out.data(), taken.data(), taken.size());
}

std::uint64_t ByteReader::ranged(std::string_view what, std::size_t width, std::uint64_t low, std::uint64_t high) {
  std::uint64_t value = 0;
  const auto taken = bytes(width);
  for (std::size_t i = 0; i < taken.size(); ++i) value |= std::to_integer<std::uint64_t>(taken[i]) << (8 * i);
  if (ok() && (value < low || value > high))
    refuse(fmt::format("{}: expected {} to {}, found {}", what, low, high, value));
  return ok() ? value : 0;
}

double ByteReader::number(std::string_view what, double high) {
  const double value = std::bit_cast<double>(integer<std::uint64_t>(what, 0, UINT64_MAX));
  if (ok() && (std::signbit(value) || !std::isfinite(value) || value > high)) {
    refuse(fmt::format("{}: expected a number from 0 to {}, found {}", what, high, value));
  }
  return ok() ? value : 0.0;
}

crypto::Digest ByteReader::digest() {
  crypto::Digest digest{};
  fill(digest);
  return digest;
}

void ByteReader::refuse(std::string why) {
  if (ok()) error_ = std::move(why);
}

}  // namespace consilium::encoding
