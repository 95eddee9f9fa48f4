#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/error/error.h"

namespace consilium::model {

/// A JSON value and the path that errors call it by. Refers to the value; doesn't own it.
struct JsonValue {
  const nlohmann::json& json;
  std::string path;

  /// The error "path: message"; the message alone where the path is empty.
  [[nodiscard]] tl::unexpected<Error> refuse(std::string_view message) const;
  /// The error "path: expected ..., found ...".
  [[nodiscard]] tl::unexpected<Error> expected(std::string_view what) const;

  /// Checks that this is an object whose keys are all known; an unknown one is answered with the nearest.
  [[nodiscard]] Result<void> check_keys(std::span<const std::string_view> known) const;
  [[nodiscard]] bool has(std::string_view key) const;
  /// The member under a key that is there.
  [[nodiscard]] JsonValue member(std::string_view key) const;
  /// The element at an index that is there.
  [[nodiscard]] JsonValue element(std::size_t index) const;

  [[nodiscard]] Result<std::int64_t> integer(std::int64_t low, std::int64_t high) const;
  /// Reads the member `key` as an integer; `otherwise` where it is left out, an error where it must not be.
  [[nodiscard]] Result<std::int64_t> integer_at(std::string_view key, std::int64_t low, std::int64_t high,
                                                std::optional<std::int64_t> otherwise = std::nullopt) const;
  [[nodiscard]] Result<bool> boolean_at(std::string_view key, bool otherwise) const;
};

/// Writes a value for an error message: 'text', 3, a list, a map. Long text is shortened.
[[nodiscard]] std::string shown(const nlohmann::json& value);

}  // namespace consilium::model
