#pragma once

#include <array>
#include <cstdint>

namespace consilium {

/// Returns one block of Philox4x32-10 (Salmon et al. 2011, section 4.3): a bijection of the counter under a key.
[[nodiscard]] std::array<std::uint32_t, 4> philox4x32_10(std::array<std::uint32_t, 4> counter,
                                                         std::array<std::uint32_t, 2> key);

}  // namespace consilium
