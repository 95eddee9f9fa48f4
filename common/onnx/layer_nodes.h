#pragma once

#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/model/model_spec.h"
#include "common/onnx/graph_builder.h"

namespace consilium::onnx {

/// A layer of an expanded model, and what surrounds it in the graph.
struct LayerPlace {
  const model::Layer& layer;
  std::string owner;               ///< name of the layer whose parameters it uses
  std::vector<NamedShape> inputs;  ///< values, in the layer's order; not empty
  std::string output;              ///< name of the value that it yields, and what its other names begin with
};

/// Appends the nodes that compute a layer as the trainer does when it evaluates (client/trainer/models/step.cpp):
/// dropout off, batch normalisation by its running statistics. Parameters are taken from tensors of their own names,
/// as "conv1.weight". Fails with kInternal on a basic_block, of which expand() leaves none.
Result<void> append_layer(GraphBuilder& graph, const LayerPlace& place);

/// For each position along a side of `to` the position along one of `from` that the nearest-neighbour rule of PyTorch
/// copies: floor(position * from / to) in float32. Both are at least 1.
[[nodiscard]] std::vector<std::int64_t> nearest_positions(std::int64_t from, std::int64_t to);

}  // namespace consilium::onnx
