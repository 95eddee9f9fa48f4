#include "common/model/layer_names.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>
#include <vector>

#include "common/config/nearest.h"
#include "common/model/layer_tensors.h"

namespace consilium::model {
namespace {

/// Returns every word that names a layer with parameters.
std::vector<std::string_view> words_of_layers(const Graph& graph) {
  std::set<std::string_view> words;
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    const Layer& layer = graph.layers[i];
    if (layer.owner != i || tensors_of(layer).empty()) continue;
    const std::string_view name = layer.name;
    for (std::size_t dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.', dot + 1))
      words.insert(name.substr(0, dot));
    words.insert(name);
  }
  return {words.begin(), words.end()};
}

}  // namespace

bool lies_in(std::string_view name, std::string_view word) {
  return name.starts_with(word) && (name.size() == word.size() || name[word.size()] == '.');
}

Result<void> check_layer_name(const Graph& graph, std::string_view word) {
  const std::vector<std::string_view> words = words_of_layers(graph);
  if (std::ranges::find(words, word) != words.end()) return {};
  return refuse(fmt::format(
      "expected a layer that has parameters, or a common beginning of the names of several such layers; found '{}', {}",
      word, config::meant(word, words)));
}

}  // namespace consilium::model
