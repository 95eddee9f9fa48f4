#pragma once

#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"

namespace consilium::trainer {

/// The maximum nesting depth of objects and arrays in a record.
inline constexpr std::size_t kMaxRecordDepth = 16;

/// Parses a record. It must have at most kMaxRecordBytes and a depth of at most kMaxRecordDepth, and be a single object
/// without duplicate keys.
Result<nlohmann::json> parse_record(std::string_view text);

/// Reads the members of one JSON object, each once and by name. The first error is kept, and values read after it are
/// meaningless. finish() returns that error, or one that names a key that nothing has read.
class RecordReader {
 public:
  /// @param json  must outlive the reader
  /// @param path  of the object, for messages: "train", "train.optimizer"
  RecordReader(const nlohmann::json& json, std::string path);

  /// Reads a string of 1 to `max_bytes` bytes; an empty one is allowed if `may_be_empty` is set.
  std::string text(std::string_view key, std::size_t max_bytes, bool may_be_empty = false);
  /// Reads an integer in [least, most].
  std::uint64_t integer(std::string_view key, std::uint64_t least, std::uint64_t most);
  std::uint32_t integer32(std::string_view key, std::uint32_t least);
  /// Reads a finite number in [least, most].
  double number(std::string_view key, double least, double most);
  bool boolean(std::string_view key);
  /// Reads an array of at most `max_size` finite numbers in [least, most].
  std::vector<double> numbers(std::string_view key, std::size_t max_size, double least, double most);
  std::vector<std::uint64_t> integers(std::string_view key, std::size_t max_size);
  /// Returns the member, or nullptr (and records an error) if it is missing.
  const nlohmann::json* member(std::string_view key);

  [[nodiscard]] std::string path_of(std::string_view key) const { return path_ + "." + std::string(key); }
  void refuse(std::string_view key, std::string_view expected);
  void take(Error error);
  Result<void> finish();

 private:
  const nlohmann::json& json_;
  std::string path_;
  std::vector<std::string> keys_;
  std::optional<Error> error_;
};

}  // namespace consilium::trainer
