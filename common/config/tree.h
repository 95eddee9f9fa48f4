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

/// Upper bounds on the size of a configuration text.
struct Limits {
  std::size_t bytes = std::size_t{1} << 20;
  std::size_t depth = 24;        ///< nesting depth of maps and lists
  std::size_t entries = 100000;  ///< maps, lists and scalars together
};

/// One node of a parsed text. Scalars stay text; the parser only recognises the word null and notes what was quoted.
struct Entry {
  enum class Kind : std::uint8_t { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  bool quoted = false;            ///< scalar in quotes or a block scalar: always text, never a number or truth value
  int line = 0;                   ///< 1-based; 0 if unknown
  std::string text;               ///< scalar
  std::vector<std::string> keys;  ///< map: one key for each item, all different
  std::vector<Entry> items;       ///< list or map, in the order written
};

/// A parsed text. Immutable once read.
struct Tree {
  std::string source;            ///< name of the text in error messages
  std::filesystem::path folder;  ///< relative paths in the text start here
  Entry root;
};

/// Parses the core of plain YAML 1.2, which includes JSON. Refuses texts beyond the limits, aliases, anchors, tags,
/// duplicate or compound keys, several documents, bytes that aren't UTF-8, and control characters.
/// @param source  name of the text in error messages, e.g. the file's name
Result<std::shared_ptr<const Tree>> parse_tree(std::string_view text, std::string_view source,
                                               const std::filesystem::path& folder, const Limits& limits = {});

/// Reads a file of at most `limit` bytes. A larger file is an error.
Result<std::string> read_bounded(const std::filesystem::path& file, std::size_t limit);

}  // namespace consilium::config
