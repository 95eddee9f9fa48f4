#include "common/random/random_stream.h"

#include <cassert>
#include <cmath>
#include <string>

#include "common/crypto/sha256.h"
#include "common/random/philox.h"

namespace consilium {
namespace {

constexpr std::string_view kDomain = "consilium/v1/random";

void append(std::string& text, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>((value >> (8 * i)) & 0xFF));
}

/// Hashes the inputs in little-endian order. Every string is preceded by its 64-bit length, so that different inputs
/// give different bytes.
crypto::Digest stream_digest(std::uint64_t seed, RandomPurpose purpose, std::uint32_t round, std::string_view name) {
  std::string input;
  append(input, kDomain.size(), 8);
  input += kDomain;
  append(input, seed, 8);
  append(input, static_cast<std::uint32_t>(purpose), 4);
  append(input, round, 4);
  append(input, name.size(), 8);
  input += name;
  return crypto::sha256(std::string_view(input));
}

std::uint32_t word(const crypto::Digest& digest, std::size_t index) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value |= std::uint32_t{digest[4 * index + i]} << (8 * i);
  return value;
}

}  // namespace

RandomStream::RandomStream(std::uint64_t seed, RandomPurpose purpose, std::uint32_t round, std::string_view name) {
  const crypto::Digest digest = stream_digest(seed, purpose, round, name);
  key_ = {word(digest, 0), word(digest, 1)};
  counter_ = {0, 0, word(digest, 2), word(digest, 3)};
}

void RandomStream::refill() {
  block_ = philox4x32_10(counter_, key_);
  if (++counter_[0] == 0) ++counter_[1];
  used_ = 0;
}

std::uint32_t RandomStream::next_u32() {
  if (used_ == block_.size()) refill();
  return block_[used_++];
}

std::uint64_t RandomStream::next_u64() {
  const std::uint64_t low = next_u32();
  return low | (std::uint64_t{next_u32()} << 32);
}

float RandomStream::next_float() { return static_cast<float>(next_u32() >> 8) * 0x1p-24F; }

double RandomStream::next_double() { return static_cast<double>(next_u64() >> 11) * 0x1p-53; }

std::uint64_t RandomStream::below(std::uint64_t bound) {
  assert(bound >= 1);
  // Lemire 2019, "Fast random integer generation in an interval", algorithm 5.
  __extension__ using Wide = unsigned __int128;
  Wide product = Wide{next_u64()} * bound;
  auto low = static_cast<std::uint64_t>(product);
  if (low < bound) {
    const std::uint64_t threshold = (0 - bound) % bound;
    while (low < threshold) {
      product = Wide{next_u64()} * bound;
      low = static_cast<std::uint64_t>(product);
    }
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double RandomStream::next_normal() {
  constexpr double kTwoPi = 6.283185307179586476925286766559;
  const double radius = std::sqrt(-2.0 * std::log(1.0 - next_double()));  // 1 - u lies in (0, 1]
  return radius * std::cos(kTwoPi * next_double());
}

}  // namespace consilium
