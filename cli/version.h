#pragma once

namespace consilium::cli {

/// This build's version, as the project's CMakeLists.txt states it.
inline constexpr const char* kVersion = CONSILIUM_VERSION;

}  // namespace consilium::cli
