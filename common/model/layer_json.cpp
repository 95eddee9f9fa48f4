#include "common/model/layer_json.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/model/layer_tensors.h"
#include "common/model/limits.h"
#include "common/model/operation_json.h"

namespace consilium::model {
namespace {

using nlohmann::json;

/// Keys that may accompany an operation's word.
constexpr std::array<std::string_view, 3> kBeside{"name", "from", "weights"};

bool is_name(std::string_view text) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || text.size() > kMaxLayerName) return false;
  if (std::ranges::all_of(text, is_digit)) return true;  // a layer's index
  return is_letter(text[0]) && std::ranges::all_of(text, [&](char c) {
           return is_letter(c) || is_digit(c) || c == '_' || c == '.' || c == '-';
         });
}

/// Returns the word of a layer that is written as a map: the only key that isn't in kBeside.
Result<std::string> word_in(const JsonValue& value) {
  std::string word;
  for (const auto& [key, ignored] : value.json.items()) {
    if (std::ranges::find(kBeside, key) != kBeside.end()) continue;
    if (!word.empty()) return value.expected("a type of layer, or a map from one type to its settings");
    word = key;
  }
  if (word.empty()) return value.expected("a type of layer, or a map from one type to its settings");
  return word;
}

Result<std::vector<std::string>> read_from(const JsonValue& value) {
  if (!value.json.is_array()) {
    CONSILIUM_ASSIGN(std::string name, layer_name_from_json(value));
    return std::vector<std::string>{std::move(name)};
  }
  if (value.json.empty() || value.json.size() > kMaxInputs)
    return value.expected(fmt::format("a layer's name, or a list of 1 to {} names", kMaxInputs));
  std::vector<std::string> names;
  for (std::size_t i = 0; i < value.json.size(); ++i) {
    CONSILIUM_ASSIGN(std::string name, layer_name_from_json(value.element(i)));
    names.push_back(std::move(name));
  }
  return names;
}

}  // namespace

Result<std::string> layer_name_from_json(const JsonValue& value) {
  if (value.json.is_string() && is_name(value.json.get_ref<const std::string&>())) return value.json.get<std::string>();
  return value.expected(fmt::format(
      "a layer's name: a letter, then letters, digits, '_', '.' and '-', at most {} of them", kMaxLayerName));
}

json layer_to_json(const LayerSpec& layer) {
  const json settings = settings_of(layer.operation);
  const std::string word(word_of(layer.operation));
  const bool alone = layer.name.empty() && layer.from.empty() && layer.weights.empty();
  if (settings.is_null() && alone) return word;
  json written{{word, settings.is_null() ? json::object() : settings}};
  if (!layer.name.empty()) written["name"] = layer.name;
  if (layer.from.size() == 1) written["from"] = layer.from[0];
  if (layer.from.size() > 1) written["from"] = layer.from;
  if (!layer.weights.empty()) written["weights"] = layer.weights;
  return written;
}

Result<LayerSpec> layer_from_json(const JsonValue& value, std::string_view before) {
  LayerSpec layer;
  if (value.json.is_string()) {
    CONSILIUM_ASSIGN(layer.operation, operation_from_json(value.json.get<std::string>(), nullptr, value));
    return layer;
  }
  if (!value.json.is_object()) return value.expected("a type of layer, or a map from one type to its settings");
  CONSILIUM_ASSIGN(const std::string word, word_in(value));
  CONSILIUM_ASSIGN(layer.operation, operation_from_json(word, &value.json.at(word), value));
  if (value.has("name")) {
    CONSILIUM_ASSIGN(layer.name, layer_name_from_json(value.member("name")));
    if (std::isdigit(static_cast<unsigned char>(layer.name[0])) != 0)
      return value.member("name").refuse(
          "a name begins with a letter, because a number stands for the index of a layer without a name");
  }
  if (value.has("from")) {
    CONSILIUM_ASSIGN(layer.from, read_from(value.member("from")));
    if (layer.from.size() == 1 && layer.from[0] == before) layer.from.clear();
  }
  if (value.has("weights")) {
    CONSILIUM_ASSIGN(layer.weights, layer_name_from_json(value.member("weights")));
  }
  return layer;
}

}  // namespace consilium::model
