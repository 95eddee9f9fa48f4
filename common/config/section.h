#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config/value.h"
#include "common/error/error.h"

namespace consilium::config {

/// The words that a key accepts, each with its meaning.
template <class Enum>
using Choices = std::vector<std::pair<std::string_view, Enum>>;

/// Reads one map, key by key, into the fields of a struct. A key that is absent or null leaves its field unchanged. The
/// first error is kept and later reads do nothing, so a caller needs to check result() only once.
class Section {
 public:
  /// Refuses any key that is neither required nor optional, and suggests the nearest known key. An absent `value`
  /// counts as an empty map.
  /// @param required  keys that must be present
  /// @param optional  keys that may be present
  Section(Value value, std::initializer_list<std::string_view> required,
          std::initializer_list<std::string_view> optional);
  Section(Value value, const std::vector<std::string_view>& required, const std::vector<std::string_view>& optional);

  [[nodiscard]] const Result<void>& result() const { return result_; }
  [[nodiscard]] bool ok() const { return result_.has_value(); }
  [[nodiscard]] bool has(std::string_view key) const { return value_.at(key).present(); }
  [[nodiscard]] Value at(std::string_view key) const { return value_.at(key); }

  void text(std::string_view key, std::string& to, std::size_t most = 1024);
  void name(std::string_view key, std::string& to);
  void names(std::string_view key, std::vector<std::string>& to, std::size_t least, std::size_t most);
  void number(std::string_view key, double& to, const NumberRange& range);
  void integer(std::string_view key, std::uint64_t& to, const IntegerRange& range);
  /// @param range  must fit into 32 bits
  void integer(std::string_view key, std::uint32_t& to, const IntegerRange& range);
  void boolean(std::string_view key, bool& to);
  void duration(std::string_view key, std::chrono::milliseconds& to, const DurationRange& range);
  void size(std::string_view key, std::uint64_t& to);
  void file(std::string_view key, std::filesystem::path& to);

  template <class Enum>
  void choice(std::string_view key, Enum& to, const Choices<Enum>& choices) {
    std::vector<std::string_view> words;
    for (const auto& [word, meaning] : choices) words.push_back(word);
    if (const auto index = choose(key, words)) to = choices[*index].second;
  }

  /// Records an error that the caller found (a rule over several keys), unless there is one already.
  void refuse(Error error);
  /// Records the error of a Result, if it has one.
  template <class T>
  void check(Result<T> part) {
    if (!part) refuse(std::move(part).error());
  }

 private:
  template <class T>
  void assign(Result<T> value, T& to);
  [[nodiscard]] std::optional<std::size_t> choose(std::string_view key, const std::vector<std::string_view>& words);
  void refuse_unknown(const std::vector<std::string_view>& known);
  [[nodiscard]] bool wanted(std::string_view key) const { return ok() && has(key); }

  Value value_;
  Result<void> result_;
};

}  // namespace consilium::config
