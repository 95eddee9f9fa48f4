#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/error/error.h"

namespace consilium::model {

/// A JSON value and its path in error messages. Refers to the value without owning it.
struct JsonValue {
  const nlohmann::json& json;
  std::string path;

  /// Returns the error "path: message", or only the message if the path is empty.
  [[nodiscard]] tl::unexpected<Error> refuse(std::string_view message) const;
  /// Returns the error "path: expected ..., found ...".
  [[nodiscard]] tl::unexpected<Error> expected(std::string_view what) const;

  /// Checks that this is an object whose keys are all known. The error for an unknown key suggests the nearest known
  /// one.
  [[nodiscard]] Result<void> check_keys(std::span<const std::string_view> known) const;
  [[nodiscard]] bool has(std::string_view key) const;
  /// Returns the member under a key, which must exist.
  [[nodiscard]] JsonValue member(std::string_view key) const;
  /// Returns the element at an index, which must exist.
  [[nodiscard]] JsonValue element(std::size_t index) const;

  [[nodiscard]] Result<std::int64_t> integer(std::int64_t low, std::int64_t high) const;
  /// Reads the member `key` as an integer. If it's missing, returns `otherwise`, or an error if there is no default.
  [[nodiscard]] Result<std::int64_t> integer_at(std::string_view key, std::int64_t low, std::int64_t high,
                                                std::optional<std::int64_t> otherwise = std::nullopt) const;
  [[nodiscard]] Result<bool> boolean_at(std::string_view key, bool otherwise) const;
};

/// Describes a value for an error message: 'text', 3, a list, a map. Long text is shortened.
[[nodiscard]] std::string shown(const nlohmann::json& value);

}  // namespace consilium::model
