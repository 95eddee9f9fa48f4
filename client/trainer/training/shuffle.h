#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/random/random_stream.h"

namespace consilium::trainer {

/// The order in which a site sees its examples in one round: Fisher-Yates over RandomStream(seed, kShuffle, round,
/// site). Each epoch shuffles the identity again, continuing the stream.
class Shuffle {
 public:
  Shuffle(std::uint64_t seed, std::uint32_t round, std::string_view site, std::int64_t examples);

  /// Draws the next epoch's order, which is valid until the next call.
  std::span<const std::int64_t> next_epoch();

 private:
  RandomStream stream_;
  std::vector<std::int64_t> order_;
};

}  // namespace consilium::trainer
