#pragma once

#include <cstdint>

namespace consilium::round {

/// Whether a job between two sessions could open the next one.
enum class Readiness : std::uint8_t {
  kLacking,  ///< too few of its sites are connected and have accepted it
  kAsking,   ///< enough may be there: some were asked a moment ago, and their answers are awaited
  kAble,     ///< everything but a slot is there
};

}  // namespace consilium::round
