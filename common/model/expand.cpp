#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <map>
#include <utility>

#include "common/model/blocks.h"
#include "common/model/draft.h"
#include "common/model/known_models.h"
#include "common/model/layer_names.h"
#include "common/model/layer_tensors.h"
#include "common/model/limits.h"
#include "common/model/model_spec.h"
#include "common/model/shapes.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::model {
namespace {

Result<void> check_input(const ModelSpec& spec) {
  if (spec.input.size() != 1 && spec.input.size() != 3 && spec.input.size() != 4) {
    return refuse(
        fmt::format("model.input: expected 1 dimension (features), 3 (channels, height, width) or 4 (channels, depth, "
                    "height, width), found {}",
                    text(spec.input)));
  }
  for (std::size_t i = 0; i < spec.input.size(); ++i) {
    if (spec.input[i] < 1 || spec.input[i] > kMaxWidth)
      return refuse(fmt::format("model.input[{}] must be 1 to {}, is {}", i, kMaxWidth, spec.input[i]));
  }
  if (auto checked = check_size(spec.input); !checked) return fail(checked.error().within("model.input"));
  if (spec.classes < 1 || spec.classes > kMaxClasses)
    return refuse(fmt::format("model.classes must be 1 to {}, is {}", kMaxClasses, spec.classes));
  return {};
}

std::string path_of_written(const ModelSpec& spec, std::size_t index) {
  return fmt::format("model.layers[{}].{}", index, word_of(spec.layers[index].operation));
}

/// Resolves the names that layers in a job use to refer to each other.
class Names {
 public:
  explicit Names(const ModelSpec& spec) : spec_(spec) {}

  Result<Draft> resolve() {
    Draft draft;
    for (std::size_t i = 0; i < spec_.layers.size(); ++i) {
      auto layer = resolve_layer(i);
      if (!layer) return fail(layer.error().within(path_of_written(spec_, i)));
      draft.layers.push_back(std::move(*layer));
    }
    for (const std::string& output : spec_.outputs) {
      CONSILIUM_ASSIGN(const std::size_t value, find(output, "model.outputs"));
      if (value == Draft::kInput) return refuse("model.outputs: the model's input can't be an output");
      draft.outputs.push_back(value);
    }
    if (draft.outputs.empty()) draft.outputs = {spec_.layers.size()};
    return draft;
  }

 private:
  Result<DraftLayer> resolve_layer(std::size_t index) {
    const LayerSpec& written = spec_.layers[index];
    DraftLayer layer{written.name.empty() ? std::to_string(index) : written.name, written.operation, {}, std::nullopt};
    for (const std::string& name : written.from) {
      CONSILIUM_ASSIGN(const std::size_t value, find(name, "from"));
      layer.inputs.push_back(value);
    }
    if (written.from.empty()) layer.inputs = {index};
    if (!written.weights.empty()) {
      CONSILIUM_ASSIGN(const std::size_t owner, find(written.weights, "weights"));
      if (owner == Draft::kInput) return refuse("weights: the input has no parameters");
      layer.owner = owner - 1;
    }
    if (!values_.emplace(layer.name, index + 1).second || layer.name == "input")
      return refuse(fmt::format("name: '{}' is the name of another layer, or of the input", layer.name));
    return layer;
  }

  Result<std::size_t> find(const std::string& name, std::string_view key) const {
    if (name == "input") return Draft::kInput;
    const auto found = values_.find(name);
    if (found != values_.end()) return found->second;
    return refuse(fmt::format("{}: no earlier layer is called '{}'", key, name));
  }

  const ModelSpec& spec_;
  std::map<std::string, std::size_t> values_;
};

Result<Draft> draft_of(const ModelSpec& spec) {
  if (!spec.name.empty()) {
    const KnownModel* model = find_known_model(spec.name);
    if (model == nullptr) {
      return refuse(
          fmt::format("model.name: expected one of {}, found '{}'", fmt::join(known_models(), ", "), spec.name));
    }
    if (!spec.layers.empty()) return refuse("model.layers: a model has a name or layers, not both");
    if (!spec.outputs.empty()) return refuse("model.outputs: a known model defines its own outputs");
    if (auto checked = check_options(*model, spec.options); !checked) return refuse("model." + checked.error().message);
    return model->draft(spec);
  }
  if (spec.layers.empty()) return refuse("model: expected a name or layers");
  if (!(spec.options == ModelOptions{}))
    return refuse("model: width, depth, stem and norm are options of known models");
  if (spec.layers.size() > kMaxLayers) {
    return refuse(
        fmt::format("model.layers: at most {} layers are accepted, found {}", kMaxLayers, spec.layers.size()));
  }
  return Names(spec).resolve();
}

/// Derives sizes layer by layer. Replaces a layer that stands for several by these.
class Expansion {
 public:
  explicit Expansion(const ModelSpec& spec) : spec_(spec) {}

  Result<Graph> run(const Draft& draft) {
    std::vector<std::size_t> values{Draft::kInput};  // for each value of the draft, its value in the graph
    std::vector<std::size_t> owners;                 // for each layer of the draft, its index in the graph
    for (std::size_t i = 0; i < draft.layers.size(); ++i) {
      DraftLayer layer = draft.layers[i];
      for (std::size_t& input : layer.inputs) input = values[input];
      if (layer.owner) layer.owner = owners[*layer.owner];
      auto value = append(std::move(layer));
      if (!value) return fail(value.error().within(path_of(draft, i)));
      values.push_back(*value);
      owners.push_back(*value - 1);
    }
    for (const std::size_t value : draft.outputs) graph_.outputs.push_back(values[value] - 1);
    CONSILIUM_TRY(check_used(draft, values));
    if (parameters_ == 0) return refuse("model.layers: no layer has parameters to train");
    return std::move(graph_);
  }

 private:
  [[nodiscard]] std::string path_of(const Draft& draft, std::size_t index) const {
    if (spec_.name.empty()) return path_of_written(spec_, index);
    return fmt::format("model.name: {}: {}", spec_.name, draft.layers[index].name);
  }

  [[nodiscard]] const Shape& shape_of(std::size_t value) const {
    return value == Draft::kInput ? spec_.input : graph_.layers[value - 1].output;
  }

  /// Appends a layer, and returns its value in the graph.
  Result<std::size_t> append(DraftLayer layer) {
    if (const auto* block = std::get_if<BasicBlock>(&layer.operation)) return append_block(layer, *block);
    if (std::holds_alternative<Linear>(layer.operation) && layer.inputs.size() == 1 &&
        shape_of(layer.inputs[0]).size() != 1) {
      CONSILIUM_ASSIGN(const std::size_t flat,
                       append({"flatten_" + layer.name, Flatten{}, layer.inputs, std::nullopt}));
      layer.inputs = {flat};
    }
    std::vector<Shape> shapes;
    for (const std::size_t input : layer.inputs) shapes.push_back(shape_of(input));
    CONSILIUM_ASSIGN(Shape output, derive(layer.operation, shapes));
    spell_out(layer.operation, shapes[0].size() - 1);
    const std::size_t index = graph_.layers.size();
    graph_.layers.push_back({std::move(layer.name), std::move(layer.operation), std::move(layer.inputs),
                             std::move(output), layer.owner.value_or(index)});
    CONSILIUM_TRY(layer.owner ? check_shared(graph_.layers.back()) : count_parameters(graph_.layers.back()));
    return index + 1;
  }

  Result<std::size_t> append_block(const DraftLayer& layer, BasicBlock block) {
    const Shape input = shape_of(layer.inputs.at(0));
    if (layer.owner) return refuse("weights: a block has parameters of its own");
    Operation checked = block;
    CONSILIUM_TRY(derive(checked, std::vector<Shape>(layer.inputs.size(), input)));
    Draft parts;
    basic_block(parts, layer.name, Draft::kInput, input[0], block.out_channels, block.stride, BatchNorm{});
    std::vector<std::size_t> values{layer.inputs[0]};
    for (DraftLayer& part : parts.layers) {
      for (std::size_t& from : part.inputs) from = values[from];
      CONSILIUM_ASSIGN(const std::size_t value, append(std::move(part)));
      values.push_back(value);
    }
    return values.back();
  }

  /// Writes a window's size for each dimension if one number stands for all.
  static void spell_out(Operation& operation, std::size_t dimensions) {
    const auto spell = [dimensions](Sides& sides) {
      if (sides.size() == 1) sides.assign(dimensions, sides[0]);
    };
    if (auto* conv = std::get_if<Conv>(&operation)) {
      for (Sides* sides : {&conv->kernel, &conv->stride, &conv->padding}) spell(*sides);
    } else if (auto* grow = std::get_if<TransposedConv>(&operation)) {
      for (Sides* sides : {&grow->kernel, &grow->stride}) spell(*sides);
    } else if (auto* max = std::get_if<MaxPool>(&operation)) {
      for (Sides* sides : {&max->kernel, &max->stride, &max->padding}) spell(*sides);
    } else if (auto* mean = std::get_if<AvgPool>(&operation)) {
      for (Sides* sides : {&mean->kernel, &mean->stride}) spell(*sides);
    }
  }

  /// Checks that parameters shared by two layers have the same names and shapes in both.
  Result<void> check_shared(Layer& layer) const {
    const Layer& owner = graph_.layers[layer.owner];
    Layer renamed = layer;
    renamed.name = owner.name;
    const auto own = tensors_of(renamed);
    const auto shared = tensors_of(owner);
    const bool same = std::ranges::equal(own, shared, [](const LayerTensor& a, const LayerTensor& b) {
      return a.info.name == b.info.name && a.info.shape == b.info.shape && a.info.role == b.info.role;
    });
    if (owner.owner == layer.owner && same && !own.empty() && owner.operation.index() == layer.operation.index())
      return {};
    return refuse(fmt::format("weights: '{}' has no parameters of its own that fit", owner.name));
  }

  Result<void> count_parameters(const Layer& layer) {
    for (const LayerTensor& tensor : tensors_of(layer)) {
      std::int64_t size = 1;
      for (const std::int64_t dimension : tensor.info.shape) size *= dimension;
      parameters_ += size;
    }
    if (parameters_ <= static_cast<std::int64_t>(ParameterManifest::kMaxParameters)) return {};
    return refuse(fmt::format("the model has more than {} parameters", ParameterManifest::kMaxParameters));
  }

  /// Refuses layers whose output is unused: their parameters would never be trained.
  Result<void> check_used(const Draft& draft, const std::vector<std::size_t>& values) const {
    std::vector<bool> used(graph_.layers.size() + 1, false);
    for (const Layer& layer : graph_.layers) {
      for (const std::size_t input : layer.inputs) used[input] = true;
    }
    for (const std::size_t output : graph_.outputs) used[output + 1] = true;
    for (std::size_t i = 0; i < draft.layers.size(); ++i) {
      if (!used[values[i + 1]])
        return refuse(path_of(draft, i) + ": no other layer uses its result, and it isn't among the model's outputs");
    }
    return {};
  }

  const ModelSpec& spec_;
  Graph graph_;
  std::int64_t parameters_ = 0;
};

bool is_normalization(const Operation& operation) {
  return std::holds_alternative<BatchNorm>(operation) || std::holds_alternative<GroupNorm>(operation) ||
         std::holds_alternative<InstanceNorm>(operation);
}

/// Returns true if one of the words names the layer whose parameters this one uses.
bool is_named(const Graph& graph, const Layer& layer, const std::vector<std::string>& words) {
  const Layer& owner = graph.layers[layer.owner];
  return std::ranges::any_of(words, [&](const std::string& word) {
    return lies_in(owner.name, word) || (word == kNormalization && is_normalization(owner.operation));
  });
}

Result<void> check_words(const Graph& graph, const std::vector<std::string>& words, std::string_view key) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool all_norms =
        key == "local" && words[i] == kNormalization &&
        std::ranges::any_of(graph.layers, [](const Layer& layer) { return is_normalization(layer.operation); });
    if (all_norms) continue;
    if (auto checked = check_layer_name(graph, words[i]); !checked)
      return fail(checked.error().within(fmt::format("model.{}[{}]", key, i)));
  }
  return {};
}

/// Marks the layers whose parameters are frozen, and those whose parameters are local to each site.
Result<void> mark(const ModelSpec& spec, Graph& graph) {
  if (spec.frozen.empty() && spec.local.empty()) return {};
  CONSILIUM_TRY(check_words(graph, spec.frozen, "frozen"));
  CONSILIUM_TRY(check_words(graph, spec.local, "local"));
  bool trained = false;
  for (Layer& layer : graph.layers) {
    layer.frozen = is_named(graph, layer, spec.frozen);
    layer.local = !layer.frozen && is_named(graph, layer, spec.local);
    const auto tensors = tensors_of(layer);
    trained = trained || std::ranges::any_of(tensors, [](const LayerTensor& tensor) {
                return tensor.info.role == TensorRole::kTrainable && !tensor.info.frozen && !tensor.info.local;
              });
  }
  if (trained) return {};
  return refuse(spec.local.empty()
                    ? "model.frozen: the list names every layer; expected at least one to be left for training"
                    : "model.local: no layer is left for the sites to train together; expected at least one");
}

}  // namespace

std::vector<Shape> Graph::output_shapes() const {
  std::vector<Shape> shapes;
  for (const std::size_t output : outputs) shapes.push_back(layers[output].output);
  return shapes;
}

Result<Graph> expand(const ModelSpec& spec) {
  CONSILIUM_TRY(check_input(spec));
  CONSILIUM_ASSIGN(const Draft draft, draft_of(spec));
  CONSILIUM_ASSIGN(Graph graph, Expansion(spec).run(draft));
  CONSILIUM_TRY(mark(spec, graph));
  return graph;
}

}  // namespace consilium::model
