#include "common/model/model_json.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/config/nearest.h"
#include "common/model/json_value.h"
#include "common/model/known_models.h"
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
  const std::string near = config::nearest(name, known);
  if (near.empty()) return value.expected(what);
  return value.refuse(fmt::format("expected {}, found {}, did you mean '{}'?", what, shown(value.json), near));
}

Result<std::vector<LayerSpec>> read_layers(const JsonValue& value) {
  if (!value.json.is_array() || value.json.empty()) return value.expected("a list of layers");
  if (value.json.size() > kMaxLayers) {
    return value.refuse(fmt::format("at most {} layers are accepted, found {}", kMaxLayers, value.json.size()));
  }
  std::vector<LayerSpec> layers;
  std::string before = "input";
  for (std::size_t i = 0; i < value.json.size(); ++i) {
    CONSILIUM_ASSIGN(LayerSpec layer, layer_from_json(value.element(i), before));
    before = layer.name.empty() ? std::to_string(i) : layer.name;
    layers.push_back(std::move(layer));
  }
  return layers;
}

/// Reads the layers that are the model's outputs. If this is only the last layer, the list is left out.
Result<std::vector<std::string>> read_outputs(const JsonValue& value, const std::vector<LayerSpec>& layers) {
  if (!value.json.is_array() || value.json.empty() || value.json.size() > kMaxOutputs)
    return value.expected(fmt::format("a list of 1 to {} layers' names", kMaxOutputs));
  std::vector<std::string> outputs;
  for (std::size_t i = 0; i < value.json.size(); ++i) {
    CONSILIUM_ASSIGN(std::string name, layer_name_from_json(value.element(i)));
    outputs.push_back(std::move(name));
  }
  const std::string last = layers.back().name.empty() ? std::to_string(layers.size() - 1) : layers.back().name;
  if (outputs == std::vector{last}) outputs.clear();
  return outputs;
}

/// Reads a list of layers and sorts it, because its order means nothing and one model should have one text.
Result<std::vector<std::string>> read_layer_names(const JsonValue& value) {
  if (!value.json.is_array() || value.json.empty() || value.json.size() > kMaxLayers)
    return value.expected(fmt::format("a list of 1 to {} layers' names", kMaxLayers));
  std::vector<std::string> names;
  for (std::size_t i = 0; i < value.json.size(); ++i) {
    CONSILIUM_ASSIGN(std::string name, layer_name_from_json(value.element(i)));
    names.push_back(std::move(name));
  }
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice != names.end()) return value.refuse(fmt::format("names '{}' twice", *twice));
  return names;
}

Result<ModelOptions> read_options(const JsonValue& root, const KnownModel& model) {
  ModelOptions options;
  const auto number = [&](std::string_view key, std::optional<std::int64_t>& to) -> Result<void> {
    if (!root.has(key)) return {};
    CONSILIUM_ASSIGN(to, root.member(key).integer(1, kMaxWidth));
    return {};
  };
  const auto word = [&](std::string_view key, std::optional<std::string>& to) -> Result<void> {
    if (!root.has(key)) return {};
    const JsonValue value = root.member(key);
    if (!value.json.is_string() || value.json.get_ref<const std::string&>().size() > kMaxLayerName)
      return value.expected("a word");
    to = value.json.get<std::string>();
    return {};
  };
  CONSILIUM_TRY(number("width", options.width));
  CONSILIUM_TRY(number("depth", options.depth));
  CONSILIUM_TRY(word("stem", options.stem));
  CONSILIUM_TRY(word("norm", options.norm));
  CONSILIUM_TRY(check_options(model, options));
  return without_defaults(model, std::move(options));
}

void write_options(const ModelOptions& options, json& to) {
  if (options.width) to["width"] = *options.width;
  if (options.depth) to["depth"] = *options.depth;
  if (options.stem) to["stem"] = *options.stem;
  if (options.norm) to["norm"] = *options.norm;
}

Result<std::vector<std::int64_t>> read_input(const JsonValue& value) {
  if (!value.json.is_array() || (value.json.size() != 1 && value.json.size() != 3 && value.json.size() != 4)) {
    return value.expected(
        "a list of 1 size (features), 3 (channels, height, width) or 4 (channels, depth, height, width)");
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
  if (!spec.frozen.empty()) result["frozen"] = spec.frozen;
  if (!spec.local.empty()) result["local"] = spec.local;
  if (!spec.name.empty()) {
    result["name"] = spec.name;
    write_options(spec.options, result);
    return result;
  }
  result["layers"] = json::array();
  for (const LayerSpec& layer : spec.layers) result["layers"].push_back(layer_to_json(layer));
  if (!spec.outputs.empty()) result["outputs"] = spec.outputs;
  return result;
}

Result<ModelSpec> model_from_json(const json& model) {
  static constexpr std::array<std::string_view, 11> keys{"name",  "layers", "input", "classes", "outputs", "width",
                                                         "depth", "stem",   "norm",  "frozen",  "local"};
  const JsonValue root{model, ""};
  CONSILIUM_TRY(root.check_keys(keys));
  if (root.has("name") && root.has("layers"))
    return root.member("layers").refuse("a model has a name or layers, not both");
  ModelSpec spec;
  if (root.has("name")) {
    CONSILIUM_ASSIGN(spec.name, read_name(root.member("name")));
    if (root.has("outputs")) return root.member("outputs").refuse("a known model defines its own outputs");
    CONSILIUM_ASSIGN(spec.options, read_options(root, *find_known_model(spec.name)));
  } else {
    if (!root.has("layers"))
      return root.refuse(fmt::format("name: missing, expected one of {}, or layers", fmt::join(known_models(), ", ")));
    for (const char* option : {"width", "depth", "stem", "norm"}) {
      if (root.has(option)) return root.member(option).refuse("is an option of known models, not of layers");
    }
    CONSILIUM_ASSIGN(spec.layers, read_layers(root.member("layers")));
    if (root.has("outputs")) {
      CONSILIUM_ASSIGN(spec.outputs, read_outputs(root.member("outputs"), spec.layers));
    }
  }
  if (!root.has("input")) return root.refuse("input: missing, expected the shape of one example, as in [1, 28, 28]");
  CONSILIUM_ASSIGN(spec.input, read_input(root.member("input")));
  CONSILIUM_ASSIGN(spec.classes, root.integer_at("classes", 1, kMaxClasses));
  if (root.has("frozen")) {
    CONSILIUM_ASSIGN(spec.frozen, read_layer_names(root.member("frozen")));
  }
  if (root.has("local")) {
    CONSILIUM_ASSIGN(spec.local, read_layer_names(root.member("local")));
  }
  return spec;
}

}  // namespace consilium::model
