#pragma once

#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/model/model_spec.h"
#include "common/onnx/graph_builder.h"

namespace consilium::onnx {

/// A layer of an expanded model, and its connections in the graph.
struct LayerPlace {
  const model::Layer& layer;
  std::string owner;               ///< name of the layer whose parameters it uses
  std::vector<NamedShape> inputs;  ///< input values, in the layer's order; at least one
  std::string output;              ///< name of its output value, and prefix of its other names
};

/// Appends the nodes that compute a layer as the trainer does in evaluation (client/trainer/models/step.cpp): without
/// dropout, and with the running statistics of batch normalisation. Parameters are tensors under their own names, e.g.
/// "conv1.weight". Fails with kInternal for a basic_block, because expand() leaves none.
Result<void> append_layer(GraphBuilder& graph, const LayerPlace& place);

/// Returns, for each position along a side of size `to`, the position along a side of size `from` that PyTorch's
/// nearest-neighbour rule copies: floor(position * from / to) in float32. Both sizes are at least 1.
[[nodiscard]] std::vector<std::int64_t> nearest_positions(std::int64_t from, std::int64_t to);

}  // namespace consilium::onnx
