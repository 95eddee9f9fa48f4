#include "common/onnx/graph_builder.h"

#include <onnx/onnx_pb.h>

#include <bit>

namespace consilium::onnx {
namespace {

static_assert(std::endian::native == std::endian::little, "ONNX stores tensors as little-endian bytes");

void fill(::onnx::ValueInfoProto& info, const NamedShape& value) {
  info.set_name(value.name);
  ::onnx::TypeProto::Tensor& type = *info.mutable_type()->mutable_tensor_type();
  type.set_elem_type(::onnx::TensorProto::FLOAT);
  type.mutable_shape()->add_dim()->set_dim_param("N");
  for (const std::int64_t size : value.shape) type.mutable_shape()->add_dim()->set_dim_value(size);
}

template <class Number>
void fill(::onnx::TensorProto& tensor, const std::string& name, std::int32_t type, std::span<const std::int64_t> shape,
          std::span<const Number> values) {
  tensor.set_name(name);
  tensor.set_data_type(type);
  for (const std::int64_t size : shape) tensor.add_dims(size);
  const auto bytes = std::as_bytes(values);
  tensor.set_raw_data(bytes.data(), bytes.size());
}

::onnx::AttributeProto& add(::onnx::NodeProto& node, std::string_view name,
                            ::onnx::AttributeProto::AttributeType type) {
  ::onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(std::string(name));
  attribute.set_type(type);
  return attribute;
}

}  // namespace

void GraphBuilder::input(const NamedShape& value, std::string_view description) {
  ::onnx::ValueInfoProto& info = *graph_.add_input();
  fill(info, value);
  info.set_doc_string(std::string(description));
}

void GraphBuilder::output(const NamedShape& value) { fill(*graph_.add_output(), value); }

void GraphBuilder::describe(const NamedShape& value) { fill(*graph_.add_value_info(), value); }

std::string GraphBuilder::tensor(std::string name, std::span<const std::int64_t> shape, std::span<const float> values) {
  fill(*graph_.add_initializer(), name, ::onnx::TensorProto::FLOAT, shape, values);
  return name;
}

std::string GraphBuilder::tensor(std::string name, std::span<const std::int64_t> values) {
  const auto size = static_cast<std::int64_t>(values.size());
  fill(*graph_.add_initializer(), name, ::onnx::TensorProto::INT64, std::span(&size, 1), values);
  return name;
}

::onnx::NodeProto& GraphBuilder::node(std::string_view operation, std::span<const std::string> inputs,
                                      std::string_view output) {
  ::onnx::NodeProto& node = *graph_.add_node();
  node.set_op_type(std::string(operation));
  node.set_name(std::string(output));
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(std::string(output));
  return node;
}

void set(::onnx::NodeProto& node, std::string_view name, std::int64_t value) {
  add(node, name, ::onnx::AttributeProto::INT).set_i(value);
}

void set(::onnx::NodeProto& node, std::string_view name, float value) {
  add(node, name, ::onnx::AttributeProto::FLOAT).set_f(value);
}

void set(::onnx::NodeProto& node, std::string_view name, std::string_view value) {
  add(node, name, ::onnx::AttributeProto::STRING).set_s(std::string(value));
}

void set(::onnx::NodeProto& node, std::string_view name, std::span<const std::int64_t> values) {
  ::onnx::AttributeProto& attribute = add(node, name, ::onnx::AttributeProto::INTS);
  for (const std::int64_t value : values) attribute.add_ints(value);
}

}  // namespace consilium::onnx
