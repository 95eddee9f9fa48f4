#pragma once

namespace consilium::cli {

/// This build's version, taken from the project's CMakeLists.txt.
inline constexpr const char* kVersion = CONSILIUM_VERSION;

}  // namespace consilium::cli
