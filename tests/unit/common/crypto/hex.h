#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "common/crypto/random_source.h"
#include "common/crypto/secret_bytes.h"

/// For tests that compare with a standard's published values.
namespace consilium::crypto {

inline std::vector<std::uint8_t> from_hex(std::string_view hex) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

template <std::size_t kSize>
std::array<std::uint8_t, kSize> array_from_hex(std::string_view hex) {
  const auto bytes = from_hex(hex);
  if (bytes.size() != kSize) throw std::invalid_argument("a test vector has the wrong size");
  std::array<std::uint8_t, kSize> array{};
  std::ranges::copy(bytes, array.begin());
  return array;
}

inline SecretBytes secret_from_hex(std::string_view hex) { return SecretBytes::copy_of(from_hex(hex)).value(); }

/// Supplies the bytes that a test provides, and fails when they are used up.
class ScriptedRandom final : public RandomSource {
 public:
  explicit ScriptedRandom(std::vector<std::uint8_t> script) : script_(std::move(script)) {}

  Result<void> fill(std::span<std::uint8_t> bytes) override {
    if (script_.size() < bytes.size()) return fail_empty();
    std::copy_n(script_.begin(), bytes.size(), bytes.begin());
    script_.erase(script_.begin(), script_.begin() + static_cast<std::ptrdiff_t>(bytes.size()));
    return {};
  }

 private:
  static Result<void> fail_empty() { return consilium::fail(ErrorCode::kInternal, "the script has ended"); }
  std::vector<std::uint8_t> script_;
};

}  // namespace consilium::crypto
