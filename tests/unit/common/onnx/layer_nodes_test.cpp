#include "common/onnx/layer_nodes.h"

#include <onnx/onnx_pb.h>

#include "tests/catch.h"

namespace consilium::onnx {
namespace {

std::vector<std::string> operations_of(const model::Operation& operation, std::vector<NamedShape> inputs,
                                       model::Shape output) {
  ::onnx::GraphProto graph;
  GraphBuilder builder(graph);
  const model::Layer layer{"layer", operation, std::vector<std::size_t>(inputs.size(), 0), std::move(output)};
  const auto appended = append_layer(builder, {layer, "owner", std::move(inputs), "layer/0"});
  REQUIRE(appended);
  std::vector<std::string> operations;
  for (const auto& node : graph.node()) operations.push_back(node.op_type());
  CHECK(graph.node(graph.node_size() - 1).output(0) == "layer/0");
  return operations;
}

TEST_CASE("a block that wasn't expanded is an error, and nothing is written for it") {
  ::onnx::GraphProto graph;
  GraphBuilder builder(graph);
  const model::Layer layer{"layer1", model::BasicBlock{4, 1}, {0}, {4, 8, 8}};
  const auto refused = append_layer(builder, {layer, "layer1", {{"image", {4, 8, 8}}}, "layer1/0"});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInternal);
  CHECK(refused.error().message == "layer 'layer1': a basic_block was not expanded");
  CHECK(graph.node_size() == 0);
}

TEST_CASE("sums of many values are added from left to right") {
  const NamedShape value{"value", {4, 8, 8}};
  CHECK(operations_of(model::Add{}, {value, value}, {4, 8, 8}) == std::vector<std::string>{"Add"});
  CHECK(operations_of(model::Add{}, {value, value, value, value}, {4, 8, 8}) ==
        std::vector<std::string>{"Add", "Add", "Add"});
}

TEST_CASE("each side of an image is gathered by positions") {
  const NamedShape small{"small", {4, 2, 3, 3}};
  const NamedShape large{"large", {7, 2, 6, 5}};
  CHECK(operations_of(model::UpsampleLike{}, {small, large}, {4, 2, 6, 5}) ==
        std::vector<std::string>{"Gather", "Gather", "Gather"});
}

TEST_CASE("nearest positions are PyTorch's, with its rounding") {
  CHECK(nearest_positions(3, 6) == std::vector<std::int64_t>{0, 0, 1, 1, 2, 2});
  CHECK(nearest_positions(3, 5) == std::vector<std::int64_t>{0, 0, 1, 1, 2});
  CHECK(nearest_positions(5, 2) == std::vector<std::int64_t>{0, 2});
  CHECK(nearest_positions(4, 4) == std::vector<std::int64_t>{0, 1, 2, 3});
  // 41 times 2/82 is 1, but less than 1 in float32.
  CHECK(nearest_positions(2, 82)[41] == 0);
  CHECK(nearest_positions(2, 82)[42] == 1);
}

}  // namespace
}  // namespace consilium::onnx
