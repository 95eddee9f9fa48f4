#pragma once

#include <cstdint>

namespace consilium::round {

/// States whether a job between two sessions could open the next one.
enum class Readiness : std::uint8_t {
  kLacking,  ///< too few of its sites are connected and have accepted it
  kAsking,   ///< enough sites may be available, but some were asked only a moment ago and haven't answered
  kAble,     ///< only a slot is missing
};

}  // namespace consilium::round
