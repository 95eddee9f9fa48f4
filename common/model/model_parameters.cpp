#include "common/model/model_parameters.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "common/model/layer_tensors.h"
#include "common/random/random_stream.h"

namespace consilium::model {
namespace {

Result<std::vector<LayerTensor>> all_tensors(const ModelSpec& spec) {
  CONSILIUM_ASSIGN(const Graph graph, expand(spec));
  std::vector<LayerTensor> tensors;
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    if (graph.layers[i].owner != i) continue;
    for (LayerTensor& tensor : tensors_of(graph.layers[i])) tensors.push_back(std::move(tensor));
  }
  return tensors;
}

Result<ParameterManifest> manifest_of(const std::vector<LayerTensor>& tensors) {
  std::vector<TensorInfo> infos;
  for (const LayerTensor& tensor : tensors) infos.push_back(tensor.info);
  return ParameterManifest::create(std::move(infos));
}

/// Fills `values` from U(-bound, bound). Every operation is exact or rounded once by IEEE 754, so the result is the
/// same bit for bit with every compiler and on every machine.
void draw_uniform(RandomStream stream, float bound, std::span<float> values) {
  for (float& value : values) value = (2.0F * stream.next_float() - 1.0F) * bound;
}

}  // namespace

Result<ParameterManifest> build_manifest(const ModelSpec& spec) {
  CONSILIUM_ASSIGN(const std::vector<LayerTensor> tensors, all_tensors(spec));
  return manifest_of(tensors);
}

Result<ParameterVector> initial_weights(const ModelSpec& spec, std::uint64_t seed) {
  CONSILIUM_ASSIGN(const std::vector<LayerTensor> tensors, all_tensors(spec));
  CONSILIUM_ASSIGN(const ParameterManifest manifest, manifest_of(tensors));
  ParameterVector parameters(manifest.parameter_count());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorInfo& info = manifest.tensors()[i];
    const std::span<float> values(parameters.data() + info.offset, info.size);
    const Initial& initial = tensors[i].initial;
    if (initial.bound > 0.0F) {
      draw_uniform(RandomStream(seed, RandomPurpose::kInitialWeights, 0, info.name), initial.bound, values);
    } else {
      std::fill(values.begin(), values.end(), initial.value);
    }
  }
  return parameters;
}

}  // namespace consilium::model
