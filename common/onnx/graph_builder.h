#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/model/model_spec.h"

namespace onnx {
class GraphProto;
class NodeProto;
class ValueInfoProto;
}  // namespace onnx

namespace consilium::onnx {

/// A tensor of a graph: its name, and its shape for one example. In the file the batch dimension, "N", comes first.
struct NamedShape {
  std::string name;
  model::Shape shape;
  bool operator==(const NamedShape&) const = default;
};

/// Appends nodes and tensors to an ONNX graph, which must outlive the builder. Every name must be new to the graph.
class GraphBuilder {
 public:
  explicit GraphBuilder(::onnx::GraphProto& graph) : graph_(graph) {}

  void input(const NamedShape& value, std::string_view description);
  void output(const NamedShape& value);
  /// Declares the shape of an intermediate value, for programs that display graphs.
  void describe(const NamedShape& value);

  /// Adds a tensor that is stored in the file, and returns its name.
  std::string tensor(std::string name, std::span<const std::int64_t> shape, std::span<const float> values);
  /// Does the same for a vector of integers.
  std::string tensor(std::string name, std::span<const std::int64_t> values);

  /// Adds a node with one output. The node's name is that of its output.
  /// @param operation  ONNX's name of the operation, e.g. "Conv"
  /// @param inputs     names of values and tensors; "" for an optional input that is left out
  /// @return the node, for adding attributes; valid until the graph is destroyed
  ::onnx::NodeProto& node(std::string_view operation, std::span<const std::string> inputs, std::string_view output);

 private:
  ::onnx::GraphProto& graph_;
};

// Set an attribute of a node.
void set(::onnx::NodeProto& node, std::string_view name, std::int64_t value);
void set(::onnx::NodeProto& node, std::string_view name, float value);
void set(::onnx::NodeProto& node, std::string_view name, std::string_view value);
void set(::onnx::NodeProto& node, std::string_view name, std::span<const std::int64_t> values);

}  // namespace consilium::onnx
