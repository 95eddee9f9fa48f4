#include "common/model/json_value.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "common/config/nearest.h"

namespace consilium::model {
namespace {

constexpr std::size_t kLongestShown = 60;

std::string shortened(std::string_view text) {
  std::string result(text.substr(0, kLongestShown));
  std::replace_if(
      result.begin(), result.end(), [](char letter) { return letter < 0x20 || letter > 0x7E; }, '?');
  return text.size() > kLongestShown ? result + "..." : result;
}

}  // namespace

std::string shown(const nlohmann::json& value) {
  if (value.is_string()) return "'" + shortened(value.get_ref<const std::string&>()) + "'";
  if (value.is_array()) return value.empty() ? "an empty list" : "a list of " + std::to_string(value.size());
  if (value.is_object()) return "a map";
  if (value.is_null()) return "nothing";
  return value.is_number() || value.is_boolean() ? value.dump() : "something else";
}

tl::unexpected<Error> JsonValue::refuse(std::string_view message) const {
  return fail(ErrorCode::kInvalidArgument, path.empty() ? std::string(message) : fmt::format("{}: {}", path, message));
}

tl::unexpected<Error> JsonValue::expected(std::string_view what) const {
  return refuse(fmt::format("expected {}, found {}", what, shown(json)));
}

Result<void> JsonValue::check_keys(std::span<const std::string_view> known) const {
  if (!json.is_object()) return expected("a map");
  for (const auto& [key, value] : json.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    return JsonValue{value, path.empty() ? shortened(key) : path + "." + shortened(key)}.refuse(
        "unknown key, " + config::meant(key, known));
  }
  return {};
}

bool JsonValue::has(std::string_view key) const { return json.contains(key); }

JsonValue JsonValue::member(std::string_view key) const {
  return {*json.find(key), path.empty() ? std::string(key) : fmt::format("{}.{}", path, key)};
}

JsonValue JsonValue::element(std::size_t index) const { return {json[index], fmt::format("{}[{}]", path, index)}; }

Result<std::int64_t> JsonValue::integer(std::int64_t low, std::int64_t high) const {
  const bool fits = json.is_number_unsigned() ? json.get<std::uint64_t>() <= static_cast<std::uint64_t>(high)
                                              : json.is_number_integer();
  if (fits && json.get<std::int64_t>() >= low && json.get<std::int64_t>() <= high) return json.get<std::int64_t>();
  return expected(fmt::format("an integer {} to {}", low, high));
}

Result<std::int64_t> JsonValue::integer_at(std::string_view key, std::int64_t low, std::int64_t high,
                                           std::optional<std::int64_t> otherwise) const {
  if (has(key)) return member(key).integer(low, high);
  if (otherwise) return *otherwise;
  const std::string missing = path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{}: missing, expected an integer {} to {}", missing, low, high));
}

Result<bool> JsonValue::boolean_at(std::string_view key, bool otherwise) const {
  if (!has(key)) return otherwise;
  const JsonValue value = member(key);
  if (!value.json.is_boolean()) return value.expected("true or false");
  return value.json.get<bool>();
}

}  // namespace consilium::model
