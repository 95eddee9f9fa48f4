#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config/tree.h"
#include "common/error/error.h"

namespace consilium::config {

/// The range of numbers that a key accepts. text() describes it in errors ("a number > 0 and <= 1").
struct NumberRange {
  double low = 0.0;
  double high = std::numeric_limits<double>::infinity();
  bool above = false;  ///< low itself is excluded
  bool below = false;  ///< high itself is excluded

  [[nodiscard]] bool holds(double value) const;
  [[nodiscard]] std::string text() const;
};
inline constexpr NumberRange kPositive{.above = true};
inline constexpr NumberRange kNotNegative{};
/// (0, 1]: a share of a whole, above zero.
inline constexpr NumberRange kShare{.low = 0.0, .high = 1.0, .above = true};

/// Integers from `low` to `high`, inclusive.
struct IntegerRange {
  std::uint64_t low = 0;
  std::uint64_t high = std::numeric_limits<std::uint64_t>::max();
};
/// Durations from `low` to `high`, inclusive.
struct DurationRange {
  std::chrono::milliseconds low{1};
  std::chrono::milliseconds high{std::chrono::hours(24 * 30)};
};

/// A value of a configuration and its position in the text. Cheap to copy; keeps the text's tree alive. An absent or
/// null value is also a Value (present() returns false), so that its error can name the key.
class Value {
 public:
  /// Creates the root value of a whole text.
  explicit Value(std::shared_ptr<const Tree> tree);

  [[nodiscard]] bool present() const { return entry_ != nullptr && entry_->kind != Entry::Kind::kNull; }
  [[nodiscard]] bool is_map() const { return present() && entry_->kind == Entry::Kind::kMap; }
  [[nodiscard]] bool is_list() const { return present() && entry_->kind == Entry::Kind::kList; }
  /// Returns the dotted key path, e.g. "training.optimizer" or "model.layers[3]", or "" for the whole text.
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const Entry* entry() const { return entry_; }

  /// Builds "source: path: expected `what`, found 'fast' (line 5)".
  [[nodiscard]] Error expected(std::string_view what) const;
  /// Builds "source: path: message (line 5)".
  [[nodiscard]] Error problem(std::string_view message, ErrorCode code = ErrorCode::kInvalidArgument) const;

  /// Builds "source: path.message (line 5)" for a message that begins with a key path below this value
  /// ("layers[3].linear: expected ..."). The line is that of the deepest existing value on that path.
  [[nodiscard]] Error problem_below(std::string_view message, ErrorCode code = ErrorCode::kInvalidArgument) const;

  /// Returns the value under a key of a map. It's absent if the map has no such key.
  [[nodiscard]] Value at(std::string_view key) const;
  /// Returns a list's values. A longer list than `most` is an error.
  [[nodiscard]] Result<std::vector<Value>> items(std::size_t most) const;
  /// Returns a map's keys and values, in the order written.
  [[nodiscard]] Result<std::vector<std::pair<std::string, Value>>> pairs(std::size_t most) const;

  [[nodiscard]] Result<std::string> text(std::size_t most = 1024) const;
  /// Returns a name that satisfies is_name().
  [[nodiscard]] Result<std::string> name() const;
  [[nodiscard]] Result<double> number(const NumberRange& range) const;
  [[nodiscard]] Result<std::uint64_t> integer(const IntegerRange& range) const;
  [[nodiscard]] Result<bool> boolean() const;
  [[nodiscard]] Result<std::chrono::milliseconds> duration(const DurationRange& range) const;
  [[nodiscard]] Result<std::uint64_t> size() const;
  /// Returns a path. A relative path starts at the folder of the configuration's file.
  [[nodiscard]] Result<std::filesystem::path> file() const;
  /// Returns a list of `least` to `most` names, all different.
  [[nodiscard]] Result<std::vector<std::string>> names(std::size_t least, std::size_t most) const;

  /// Returns the value as JSON. Unquoted words become numbers, true, false or null by JSON's rules, otherwise strings.
  [[nodiscard]] nlohmann::json json() const;

 private:
  Value(std::shared_ptr<const Tree> tree, const Entry* entry, std::string path);

  std::shared_ptr<const Tree> tree_;
  const Entry* entry_;  ///< in *tree_; nullptr if absent
  std::string path_;
  int line_ = 0;  ///< line of the value, or of the map that lacks it
};

/// Parses a text and returns its root value; see parse_tree().
Result<Value> parse(std::string_view text, std::string_view source, const std::filesystem::path& folder,
                    const Limits& limits = {});
/// Reads a file and returns its root value. Errors call it by its file name without the folder.
Result<Value> read(const std::filesystem::path& file, const Limits& limits = {});

}  // namespace consilium::config
