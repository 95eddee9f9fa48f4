#pragma once

// Catch2's macros, generators and matchers under the same names, whether the system has version 2 (Debian 12) or
// version 3 (Debian 13, Ubuntu 24.04). Tests include this header and none of Catch2's own. The matchers of strings are
// called Catch::Contains, Catch::StartsWith, Catch::EndsWith and Catch::Matches; Approx is in the global namespace.

#if __has_include(<catch2/catch_test_macros.hpp>)

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_adapters.hpp>
#include <catch2/generators/catch_generators_random.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <string>

using Catch::Approx;

namespace Catch {

using Matchers::EndsWith;
using Matchers::Matches;
using Matchers::StartsWith;

/// Version 3 calls a range's matcher Contains.
inline auto Contains(const std::string& part) { return Matchers::ContainsSubstring(part); }

}  // namespace Catch

#else

#include <catch2/catch.hpp>

#endif
