#include "common/model/model_json.h"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/config/nearest.h"
#include "common/model/json_value.h"
#include "common/model/layer_json.h"
#include "common/model/limits.h"

namespace consilium::model {
namespace {

using nlohmann::json;

Result<std::string> read_name(const JsonValue& value) {
  const std::vector<std::string_view> known(known_models().begin(), known_models().end());
  const std::string what = fmt::format("one of {}", fmt::join(known, ", "));
  if (!value.json.is_string()) return value.expected(what);
  const auto name = value.json.get<std::string>();
  for (const std::string_view model : known) {
    if (name == model) return name;
  }
  return value.refuse(
      fmt::format("expected {}, found {}, did you mean '{}'?", what, shown(value.json), config::nearest(name, known)));
}

Result<std::vector<Operation>> read_layers(const JsonValue& value) {
  if (!value.json.is_array() || value.json.empty()) return value.expected("a list of layers");
  if (value.json.size() > kMaxLayers) {
    return value.refuse(fmt::format("at most {} layers are accepted, found {}", kMaxLayers, value.json.size()));
  }
  std::vector<Operation> layers;
  for (std::size_t i = 0; i < value.json.size(); ++i) {
    CONSILIUM_ASSIGN(Operation layer, layer_from_json(value.element(i)));
    layers.push_back(std::move(layer));
  }
  return layers;
}

Result<std::vector<std::int64_t>> read_input(const JsonValue& value) {
  if (!value.json.is_array() || (value.json.size() != 1 && value.json.size() != 3)) {
    return value.expected("a list of 1 size (features) or 3 (channels, height, width)");
  }
  std::vector<std::int64_t> input;
  for (std::size_t i = 0; i < value.json.size(); ++i) {
    CONSILIUM_ASSIGN(const std::int64_t size, value.element(i).integer(1, kMaxWidth));
    input.push_back(size);
  }
  return input;
}

}  // namespace

json to_json(const ModelSpec& spec) {
  json result{{"input", spec.input}, {"classes", spec.classes}};
  if (!spec.name.empty()) {
    result["name"] = spec.name;
    return result;
  }
  result["layers"] = json::array();
  for (const Operation& layer : spec.layers) result["layers"].push_back(layer_to_json(layer));
  return result;
}

Result<ModelSpec> model_from_json(const json& model) {
  static constexpr std::array<std::string_view, 4> keys{"name", "layers", "input", "classes"};
  const JsonValue root{model, ""};
  CONSILIUM_TRY(root.check_keys(keys));
  if (root.has("name") && root.has("layers"))
    return root.member("layers").refuse("a model has a name or layers, not both");
  ModelSpec spec;
  if (root.has("name")) {
    CONSILIUM_ASSIGN(spec.name, read_name(root.member("name")));
  } else {
    if (!root.has("layers"))
      return root.refuse(fmt::format("name: missing, expected one of {}, or layers", fmt::join(known_models(), ", ")));
    CONSILIUM_ASSIGN(spec.layers, read_layers(root.member("layers")));
  }
  if (!root.has("input")) return root.refuse("input: missing, expected the shape of one example, as in [1, 28, 28]");
  CONSILIUM_ASSIGN(spec.input, read_input(root.member("input")));
  CONSILIUM_ASSIGN(spec.classes, root.integer_at("classes", 2, kMaxClasses));
  return spec;
}

}  // namespace consilium::model
