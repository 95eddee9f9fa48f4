#include "common/onnx/onnx_file.h"

#include <onnx/onnx_pb.h>
#include <spdlog/fmt/fmt.h>

#include <limits>
#include <utility>

#include "common/files/files.h"
#include "common/onnx/layer_nodes.h"
#include "common/task/task_spec.h"

namespace consilium::onnx {
namespace {

constexpr int kIrVersion = 8;  // the IR version that was released with opset 17
constexpr std::uint64_t kMostBytes = std::numeric_limits<std::int32_t>::max();

/// Adds a tensor of shape [1] if one number applies to all channels, or [C, 1, ...] with one for each.
std::string add_by_channel(GraphBuilder& graph, std::string name, const model::Shape& input,
                           const std::vector<double>& values) {
  std::vector<std::int64_t> shape{static_cast<std::int64_t>(values.size())};
  if (values.size() > 1) shape.resize(input.size(), 1);
  const std::vector<float> floats(values.begin(), values.end());
  return graph.tensor(std::move(name), shape, floats);
}

/// Appends (x - mean) / std, and returns the value that is the first layer's input.
std::string append_normalisation(GraphBuilder& graph, const job::JobSpec& job, const std::string& input) {
  const auto normalize = job::input_normalization(job);
  if (!normalize) return input;
  const std::string mean = add_by_channel(graph, "normalize/mean", job.model.input, normalize->mean);
  const std::string deviation = add_by_channel(graph, "normalize/std", job.model.input, normalize->std);
  const std::vector<std::string> centre{input, mean};
  graph.node("Sub", centre, "normalize/centred");
  const std::vector<std::string> scale{"normalize/centred", deviation};
  graph.node("Div", scale, "normalize");
  return "normalize";
}

std::string input_description(const job::JobSpec& job) {
  std::string text = "float32, prepared as the job's data sets are; bytes divided by 255";
  if (job.data.normalize) text += "; the graph itself subtracts the mean and divides by the standard deviation";
  if (job.data.atlas)
    text += fmt::format("; the last {} channels are the atlas '{}', brought to the image's space and not normalised",
                        job.data.atlas->channels, job.data.atlas->name);
  return text;
}

/// Appends every layer, and returns the values: value 0 is the model's input, and value i + 1 is the output of
/// layers[i].
Result<std::vector<NamedShape>> append_layers(GraphBuilder& builder, const model::Graph& graph, NamedShape input) {
  std::vector<NamedShape> values{std::move(input)};
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    const model::Layer& layer = graph.layers[i];
    // Names of layers without parameters may repeat. Names in jobs contain no '/', so these names can't clash with a
    // tensor's.
    LayerPlace place{layer, graph.layers[layer.owner].name, {}, fmt::format("{}/{}", layer.name, i)};
    for (const std::size_t value : layer.inputs) place.inputs.push_back(values[value]);
    CONSILIUM_TRY(append_layer(builder, place));
    values.push_back({place.output, layer.output});
    builder.describe(values.back());
  }
  return values;
}

Result<void> fill(::onnx::GraphProto& file, const job::JobSpec& job, const ParameterManifest& manifest,
                  std::span<const float> parameters) {
  CONSILIUM_ASSIGN(const model::Graph graph, model::expand(job.model));
  GraphBuilder builder(file);
  const NamedShape input = input_of(job);
  builder.input(input, input_description(job));
  for (const TensorInfo& tensor : manifest.tensors())
    builder.tensor(tensor.name, tensor.shape, parameters.subspan(tensor.offset, tensor.size));
  const std::string first = append_normalisation(builder, job, input.name);
  CONSILIUM_ASSIGN(const std::vector<NamedShape> values, append_layers(builder, graph, {first, input.shape}));
  const std::vector<NamedShape> outputs = outputs_of(job, graph);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::vector<std::string> yielded{values[graph.outputs[i] + 1].name};
    builder.node("Identity", yielded, outputs[i].name);
    builder.output(outputs[i]);
  }
  return {};
}

}  // namespace

NamedShape input_of(const job::JobSpec& job) {
  return {job.model.input.size() == 1 ? "features" : "image", job.model.input};
}

std::vector<NamedShape> outputs_of(const job::JobSpec& job, const model::Graph& graph) {
  static constexpr const char* kOfLevel[] = {"logits", "distances", "centreness"};
  std::vector<NamedShape> outputs;
  for (const model::Shape& shape : graph.output_shapes()) {
    const std::size_t i = outputs.size();
    if (job.task.kind == task::TaskKind::kDetection) {
      outputs.push_back({fmt::format("{}_{}", kOfLevel[i % 3], i / 3), shape});
    } else {
      outputs.push_back({"logits", shape});  // every other task has one output (task::check_outputs)
    }
  }
  return outputs;
}

Result<std::string> onnx_bytes(const job::JobSpec& job, const ParameterManifest& manifest,
                               std::span<const float> parameters, const std::map<std::string, std::string>& metadata) {
  if (parameters.size() != manifest.parameter_count())
    return refuse(
        fmt::format("expected {} parameters to write, found {}", manifest.parameter_count(), parameters.size()));
  if (parameters.size_bytes() > kMostBytes) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("the model has {} bytes, and an ONNX file holds at most {}; write safetensors instead",
                            parameters.size_bytes(), kMostBytes));
  }
  ::onnx::ModelProto model;
  model.set_ir_version(kIrVersion);
  model.set_producer_name("consilium");
  model.set_producer_version(CONSILIUM_VERSION);
  model.add_opset_import()->set_version(kOpset);
  model.mutable_graph()->set_name(job.name);
  CONSILIUM_TRY(fill(*model.mutable_graph(), job, manifest, parameters));
  for (const auto& [key, value] : metadata) {
    ::onnx::StringStringEntryProto& entry = *model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  std::string bytes;
  if (model.ByteSizeLong() > kMostBytes || !model.SerializeToString(&bytes)) {
    return fail(
        ErrorCode::kResourceExhausted,
        fmt::format("the file would have {} bytes, and an ONNX file holds at most {}; write safetensors instead",
                    model.ByteSizeLong(), kMostBytes));
  }
  return bytes;
}

Result<void> write_onnx(const std::filesystem::path& file, const job::JobSpec& job, const ParameterManifest& manifest,
                        std::span<const float> parameters, const std::map<std::string, std::string>& metadata) {
  auto bytes = onnx_bytes(job, manifest, parameters, metadata);
  if (!bytes) return fail(bytes.error().within(file.string()));
  return files::replace_file(file, std::as_bytes(std::span(*bytes)), files::Access::kUmask);
}

}  // namespace consilium::onnx
