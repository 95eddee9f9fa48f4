#pragma once

#include <string>

#include "tests/unit/common/secagg/consortium_bench.h"

namespace consilium::secagg {

/// How a message reaches a site: as its bytes, or as a value, if the decoder would already refuse its bytes.
enum class Delivery { kAsBytes, kAsValue };

/// Gives a site a message that it should refuse, and returns its error. The site must then have left: it answers no
/// other message and hands out no mask. Otherwise this returns what the site did instead, in capital letters.
std::string refusal(ConsortiumBench& bench, std::size_t site, const CoordinatorMessage& message,
                    Delivery delivery = Delivery::kAsBytes);

}  // namespace consilium::secagg
