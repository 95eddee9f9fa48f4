#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"

namespace consilium::config {

/// What a configuration text may cost at most.
struct Limits {
  std::size_t bytes = std::size_t{1} << 20;
  std::size_t depth = 24;        ///< maps and lists inside each other
  std::size_t entries = 100000;  ///< maps, lists and scalars together
};

/// One node of a parsed text: text alone, no type guessed but the word null and what was quoted.
struct Entry {
  enum class Kind : std::uint8_t { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  bool quoted = false;            ///< scalar in quotes or a block: text, never a number or truth value
  int line = 0;                   ///< 1-based; 0 where unknown
  std::string text;               ///< scalar
  std::vector<std::string> keys;  ///< map: one for each item, all different
  std::vector<Entry> items;       ///< list or map, in the order written
};

/// A parsed text. Immutable once read.
struct Tree {
  std::string source;            ///< what errors call the text
  std::filesystem::path folder;  ///< relative paths in it start here
  Entry root;
};

/// Parses YAML 1.2's plain core (JSON included). Refused: more than the limits, aliases, anchors, tags, duplicate or
/// compound keys, several documents, bytes that aren't UTF-8, control characters.
/// @param source  what errors call the text, e.g. the file's name
Result<std::shared_ptr<const Tree>> parse_tree(std::string_view text, std::string_view source,
                                               const std::filesystem::path& folder, const Limits& limits = {});

/// Reads at most `limit` bytes of a file; more are an error.
Result<std::string> read_bounded(const std::filesystem::path& file, std::size_t limit);

}  // namespace consilium::config
