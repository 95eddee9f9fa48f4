#include "common/config/value.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "common/config/scalars.h"

namespace consilium::config {
namespace {

/// Returns a key as shown in a path: unchanged if it is a plain word, else in quotes.
std::string key_text(std::string_view key) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  const bool plain = key.size() <= 64 && key.find_first_not_of(kPlain) == std::string_view::npos;
  return plain ? std::string(key) : in_quotes(key);
}

std::string found_text(const Entry* entry) {
  if (entry == nullptr) return "nothing";
  switch (entry->kind) {
    case Entry::Kind::kNull:
      return "nothing";
    case Entry::Kind::kMap:
      return "a map";
    case Entry::Kind::kList:
      return entry->items.empty() ? "an empty list" : fmt::format("a list of {}", entry->items.size());
    case Entry::Kind::kScalar:
      break;
  }
  return (entry->quoted ? "the text " : "") + in_quotes(entry->text);
}

nlohmann::json to_json(const Entry& entry) {
  switch (entry.kind) {
    case Entry::Kind::kNull:
      return nullptr;
    case Entry::Kind::kList: {
      nlohmann::json list = nlohmann::json::array();
      for (const Entry& item : entry.items) list.push_back(to_json(item));
      return list;
    }
    case Entry::Kind::kMap: {
      nlohmann::json map = nlohmann::json::object();
      for (std::size_t i = 0; i < entry.keys.size(); ++i) map[entry.keys[i]] = to_json(entry.items[i]);
      return map;
    }
    case Entry::Kind::kScalar:
      break;
  }
  if (entry.quoted) return entry.text;
  if (entry.text == "true") return true;
  if (entry.text == "false") return false;
  if (const auto integer = to_integer(entry.text)) return *integer;
  const auto number = to_number(entry.text);
  if (!number) return entry.text;
  const bool whole = entry.text.find_first_of(".eE") == std::string::npos && *number > -9e15 && *number < 9e15;
  return whole ? nlohmann::json(static_cast<std::int64_t>(*number)) : nlohmann::json(*number);
}

/// Returns the deepest existing entry on a path like "layers[3].linear".
const Entry& deepest(const Entry& start, std::string_view path) {
  const Entry* entry = &start;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find_first_of(".[]"), path.size());
    const std::string_view step = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (step.empty()) continue;
    std::size_t index = entry->items.size();
    if (entry->kind == Entry::Kind::kMap) {
      index = static_cast<std::size_t>(std::find(entry->keys.begin(), entry->keys.end(), step) - entry->keys.begin());
    } else if (const auto number = to_integer(step)) {
      index = static_cast<std::size_t>(*number);
    }
    if (index >= entry->items.size()) break;
    entry = &entry->items[index];
  }
  return *entry;
}

}  // namespace

bool NumberRange::holds(double value) const {
  return (above ? value > low : value >= low) && (below ? value < high : value <= high);
}

std::string NumberRange::text() const {
  const bool bounded = high != std::numeric_limits<double>::infinity();
  std::string words = fmt::format("a number {} {}", above ? ">" : ">=", low);
  return bounded ? words + fmt::format(" and {} {}", below ? "<" : "<=", high) : words;
}

Value::Value(std::shared_ptr<const Tree> tree)
    : tree_(std::move(tree)), entry_(&tree_->root), line_(tree_->root.line) {}

Value::Value(std::shared_ptr<const Tree> tree, const Entry* entry, std::string path)
    : tree_(std::move(tree)), entry_(entry), path_(std::move(path)), line_(entry != nullptr ? entry->line : 0) {}

Error Value::problem(std::string_view message, ErrorCode code) const {
  std::string text = path_.empty() ? tree_->source : tree_->source + ": " + path_;
  text.append(": ").append(message);
  if (line_ > 0) text += fmt::format(" (line {})", line_);
  return Error{code, std::move(text)};
}

Error Value::problem_below(std::string_view message, ErrorCode code) const {
  std::string text = path_.empty() ? tree_->source + ": " : tree_->source + ": " + path_ + ".";
  text.append(message);
  const int line = entry_ == nullptr ? line_ : deepest(*entry_, message.substr(0, message.find(": "))).line;
  if (line > 0) text += fmt::format(" (line {})", line);
  return Error{code, std::move(text)};
}

Error Value::expected(std::string_view what) const {
  return problem(fmt::format("expected {}, found {}", what, found_text(entry_)));
}

Value Value::at(std::string_view key) const {
  const Entry* found = nullptr;
  if (is_map()) {
    for (std::size_t i = 0; i < entry_->keys.size() && found == nullptr; ++i) {
      if (entry_->keys[i] == key) found = &entry_->items[i];
    }
  }
  Value value(tree_, found, path_.empty() ? key_text(key) : path_ + "." + key_text(key));
  if (found == nullptr) value.line_ = line_;
  return value;
}

Result<std::vector<Value>> Value::items(std::size_t most) const {
  if (!is_list()) return fail(expected("a list"));
  if (entry_->items.size() > most)
    return fail(problem(fmt::format("expected at most {} items, found {}", most, entry_->items.size())));
  std::vector<Value> values;
  for (std::size_t i = 0; i < entry_->items.size(); ++i) {
    values.push_back(Value(tree_, &entry_->items[i], path_ + fmt::format("[{}]", i)));
  }
  return values;
}

Result<std::vector<std::pair<std::string, Value>>> Value::pairs(std::size_t most) const {
  if (!is_map()) return fail(expected("a map"));
  if (entry_->keys.size() > most)
    return fail(problem(fmt::format("expected at most {} keys, found {}", most, entry_->keys.size())));
  std::vector<std::pair<std::string, Value>> values;
  for (const std::string& key : entry_->keys) values.emplace_back(key, at(key));
  return values;
}

Result<std::string> Value::text(std::size_t most) const {
  if (!present() || entry_->kind != Entry::Kind::kScalar || entry_->text.empty()) return fail(expected("text"));
  if (entry_->text.size() > most) return fail(expected(fmt::format("text of at most {} bytes", most)));
  for (const char c : entry_->text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      return fail(expected("text in one line without control characters"));
  }
  return entry_->text;
}

Result<std::string> Value::name() const {
  if (!present() || entry_->kind != Entry::Kind::kScalar || !is_name(entry_->text))
    return fail(expected(fmt::format("a name ({})", kNameRule)));
  return entry_->text;
}

Result<double> Value::number(const NumberRange& range) const {
  const bool plain = present() && entry_->kind == Entry::Kind::kScalar && !entry_->quoted;
  const auto number = plain ? to_number(entry_->text) : std::nullopt;
  if (!number || !range.holds(*number)) return fail(expected(range.text()));
  return *number;
}

Result<std::uint64_t> Value::integer(const IntegerRange& range) const {
  const bool plain = present() && entry_->kind == Entry::Kind::kScalar && !entry_->quoted;
  const auto number = plain ? to_integer(entry_->text) : std::nullopt;
  if (!number || *number < range.low || *number > range.high) {
    return fail(expected(fmt::format("an integer from {} to {}", range.low, range.high)));
  }
  return *number;
}

Result<bool> Value::boolean() const {
  const bool plain = present() && entry_->kind == Entry::Kind::kScalar && !entry_->quoted;
  if (plain && entry_->text == "true") return true;
  if (plain && entry_->text == "false") return false;
  return fail(expected("true or false"));
}

Result<std::chrono::milliseconds> Value::duration(const DurationRange& range) const {
  const bool scalar = present() && entry_->kind == Entry::Kind::kScalar;
  const auto duration = scalar ? to_duration(entry_->text) : std::nullopt;
  if (!duration || *duration < range.low || *duration > range.high) {
    return fail(expected(fmt::format("a duration from {} to {}, e.g. 90s, 10m or 2h", duration_text(range.low),
                                     duration_text(range.high))));
  }
  return *duration;
}

Result<std::uint64_t> Value::size() const {
  const bool scalar = present() && entry_->kind == Entry::Kind::kScalar;
  const auto bytes = scalar ? to_size(entry_->text) : std::nullopt;
  if (!bytes) return fail(expected("a size, e.g. 512MiB or 4GiB"));
  return *bytes;
}

Result<std::filesystem::path> Value::file() const {
  auto words = text(4096);
  if (!words) return fail(expected("a path"));
  return (tree_->folder / *words).lexically_normal();
}

Result<std::vector<std::string>> Value::names(std::size_t least, std::size_t most) const {
  CONSILIUM_ASSIGN(const std::vector<Value> list, items(most));
  if (list.size() < least)
    return fail(problem(fmt::format("expected at least {} names, found {}", least, list.size())));
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (const Value& item : list) {
    CONSILIUM_ASSIGN(std::string name, item.name());
    if (!seen.insert(name).second) return fail(item.problem("the name '" + name + "' is listed twice"));
    names.push_back(std::move(name));
  }
  return names;
}

nlohmann::json Value::json() const { return entry_ == nullptr ? nlohmann::json() : to_json(*entry_); }

Result<Value> parse(std::string_view text, std::string_view source, const std::filesystem::path& folder,
                    const Limits& limits) {
  CONSILIUM_ASSIGN(auto tree, parse_tree(text, source, folder, limits));
  return Value(std::move(tree));
}

Result<Value> read(const std::filesystem::path& file, const Limits& limits) {
  CONSILIUM_ASSIGN(const std::string text, read_bounded(file, limits.bytes));
  return parse(text, file.filename().string(), std::filesystem::absolute(file).parent_path(), limits);
}

}  // namespace consilium::config
