#include "common/onnx/onnx_file.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "common/files/temporary_folder.h"
#include "common/job/job_text.h"
#include "common/model/layer_tensors.h"
#include "common/model/model_parameters.h"
#include "tests/catch.h"

namespace consilium::onnx {
namespace {

using Catch::Contains;

job::JobSpec job_of(const std::string& model, const std::string& task = "classification",
                    const std::string& data = "{dataset: chest}") {
  const auto parsed =
      job::parse_job("{name: chest-xray, model: " + model + ", task: " + task + ", data: " + data +
                         ", training: {optimizer: {name: sgd, learning_rate: 0.1}}, federation: {rounds: 1}}",
                     "job");
  INFO((parsed ? std::string() : parsed.error().message));
  REQUIRE(parsed);
  return *parsed;
}

struct Written {
  ParameterManifest manifest;
  ParameterVector parameters;
  ::onnx::ModelProto model;
};

Written written(const job::JobSpec& job) {
  Written made{model::build_manifest(job.model).value(), model::initial_weights(job.model, 1).value(), {}};
  const auto bytes = onnx_bytes(job, made.manifest, made.parameters, {{"job", job.name}, {"task", "classification"}});
  REQUIRE(bytes);
  REQUIRE(made.model.ParseFromString(*bytes));
  return made;
}

std::vector<std::string> dimensions(const ::onnx::ValueInfoProto& value) {
  std::vector<std::string> shape;
  for (const auto& dim : value.type().tensor_type().shape().dim())
    shape.push_back(dim.has_dim_param() ? dim.dim_param() : std::to_string(dim.dim_value()));
  return shape;
}

/// Checks that every name is defined once, before it is used, and that everything stored is used.
void check_graph(const ::onnx::GraphProto& graph) {
  std::set<std::string> known{""};
  std::set<std::string> stored;
  std::set<std::string> used;
  for (const auto& input : graph.input()) CHECK(known.insert(input.name()).second);
  for (const auto& tensor : graph.initializer()) {
    CHECK(known.insert(tensor.name()).second);
    stored.insert(tensor.name());
  }
  std::set<std::string> nodes;
  for (const auto& node : graph.node()) {
    CHECK(nodes.insert(node.name()).second);
    for (const auto& input : node.input()) {
      CAPTURE(node.name(), input);
      CHECK(known.contains(input));
      used.insert(input);
    }
    for (const auto& output : node.output()) CHECK(known.insert(output).second);
  }
  for (const auto& output : graph.output()) CHECK(known.contains(output.name()));
  for (const auto& info : graph.value_info()) CHECK(known.contains(info.name()));
  CHECK(std::ranges::includes(used, stored));
}

/// Checks that every tensor of the model is in the file under its name, with its shape and bytes.
void check_tensors(const Written& made) {
  for (const TensorInfo& info : made.manifest.tensors()) {
    CAPTURE(info.name);
    const auto& stored = made.model.graph().initializer();
    const auto tensor = std::ranges::find(stored, info.name, &::onnx::TensorProto::name);
    REQUIRE(tensor != stored.end());
    CHECK(tensor->data_type() == ::onnx::TensorProto::FLOAT);
    CHECK(std::vector<std::int64_t>(tensor->dims().begin(), tensor->dims().end()) == info.shape);
    REQUIRE(tensor->raw_data().size() == info.size * sizeof(float));
    CHECK(std::memcmp(tensor->raw_data().data(), made.parameters.data() + info.offset, tensor->raw_data().size()) == 0);
  }
}

// Every layer that a job can name, under names that could collide with those of tensors, inputs and outputs.
constexpr const char* kEveryLayer = R"({layers: [
  {conv: {channels: 4, kernel: 3, padding: same}, name: image}, {groupnorm: 2}, relu, {maxpool: 2}, {instancenorm: {}, name: normalize},
  {transposed_conv: {channels: 4, kernel: 2}, name: grown}, {upsample: 2, from: [normalize], name: smooth},
  {upsample_like: {}, from: [normalize, grown], name: alike}, {add: {}, from: [grown, smooth, alike], name: logits},
  {conv: {channels: 4, kernel: 3, padding: same}, weights: image, from: [logits]}, {concat: {}, from: ["9", logits]},
  {basic_block: {channels: 4}}, batchnorm, {avgpool: 2}, global_avgpool, {dropout: 0.5}, flatten, {linear: {features: 2, bias: false}, name: conv1.weight}],
  input: [4, 8, 8], classes: 2})";

TEST_CASE("the graph of every known model holds together, and its tensors are the model's") {
  const std::vector<std::pair<std::string, std::string>> models{
      {"fedavg_cnn, input: [1, 28, 28], classes: 10", "classification"},
      {"mlp_2nn, input: [20], classes: 3", "multi_label"},
      {"resnet18, stem: imagenet, input: [3, 64, 64], classes: 3", "classification"},
      {"resnet34, norm: group, input: [1, 16, 16], classes: 3", "classification"},
      {"resnet50, input: [1, 16, 16], classes: 3", "classification"},
      {"densenet121, input: [1, 32, 32], classes: 3", "classification"},
      {"r3d_18, input: [3, 8, 16, 16], classes: 3", "classification"},
      {"unet, width: 4, input: [1, 32, 32], classes: 3", "segmentation"},
      {"unet, width: 4, depth: 2, input: [1, 8, 16, 16], classes: 3", "segmentation"},
      {"fcos_resnet18, width: 32, input: [3, 72, 100], classes: 3", "detection"}};
  std::set<std::string> seen;
  for (const auto& [text, task] : models) {
    CAPTURE(text);
    const job::JobSpec job =
        job_of("{name: " + text + "}", task, "{dataset: chest, normalize: {mean: 0.5, std: 0.25}}");
    const Written made = written(job);
    check_graph(made.model.graph());
    check_tensors(made);
    CHECK(dimensions(made.model.graph().input(0)).size() == job.model.input.size() + 1);
    seen.insert(job.model.name);
  }
  const auto& known = model::known_models();
  CHECK(seen == std::set<std::string>(known.begin(), known.end()));
}

TEST_CASE("every layer that a job can name is written, whatever it is called") {
  const job::JobSpec job = job_of(kEveryLayer);
  std::set<std::string_view> words;
  for (const model::LayerSpec& layer : job.model.layers) words.insert(model::word_of(layer.operation));
  CHECK(words.size() == model::operation_words().size());
  const Written made = written(job);
  check_graph(made.model.graph());
  check_tensors(made);
}

TEST_CASE("the file says what it takes and yields, for any number of images") {
  const Written made = written(job_of("{name: resnet18, input: [3, 32, 32], classes: 4}"));
  CHECK(made.model.ir_version() == 8);
  REQUIRE(made.model.opset_import_size() == 1);
  CHECK(made.model.opset_import(0).domain().empty());
  CHECK(made.model.opset_import(0).version() == 17);
  CHECK(made.model.producer_name() == "consilium");
  const auto& graph = made.model.graph();
  REQUIRE(graph.input_size() == 1);
  CHECK(graph.input(0).name() == "image");
  CHECK(dimensions(graph.input(0)) == std::vector<std::string>{"N", "3", "32", "32"});
  REQUIRE(graph.output_size() == 1);
  CHECK(graph.output(0).name() == "logits");
  CHECK(dimensions(graph.output(0)) == std::vector<std::string>{"N", "4"});
  REQUIRE(made.model.metadata_props_size() == 2);
  CHECK(made.model.metadata_props(0).key() == "job");
  CHECK(made.model.metadata_props(0).value() == "chest-xray");
}

TEST_CASE("a vector is called features, and a detector's outputs are named by level") {
  CHECK(input_of(job_of("{name: mlp_2nn, input: [20], classes: 3}")).name == "features");
  const job::JobSpec job = job_of("{name: fcos_resnet18, input: [1, 64, 64], classes: 3}", "detection");
  const auto outputs = outputs_of(job, model::expand(job.model).value());
  REQUIRE(outputs.size() == 15);
  CHECK(outputs[0] == NamedShape{"logits_0", {3, 8, 8}});
  CHECK(outputs[1] == NamedShape{"distances_0", {4, 8, 8}});
  CHECK(outputs[2] == NamedShape{"centreness_0", {1, 8, 8}});
  CHECK(outputs[12] == NamedShape{"logits_4", {3, 1, 1}});
}

TEST_CASE("the graph normalises as the job says, by channel, and not where the job says nothing") {
  const std::string model = "{name: fedavg_cnn, input: [3, 28, 28], classes: 2}";
  const auto plain = written(job_of(model)).model;
  CHECK(plain.graph().node(0).op_type() == "Conv");
  CHECK(plain.graph().node(0).input(0) == "image");
  const auto made = written(job_of(model, "classification",
                                   "{dataset: chest, normalize: {mean: [0.5, 0.25, 0], std: [0.125, 1, 2]}}"))
                        .model;
  const auto& graph = made.graph();
  CHECK(graph.node(0).op_type() == "Sub");
  CHECK(graph.node(0).input(0) == "image");
  CHECK(graph.node(1).op_type() == "Div");
  CHECK(graph.node(2).input(0) == graph.node(1).output(0));
  const auto mean = std::ranges::find(graph.initializer(), graph.node(0).input(1), &::onnx::TensorProto::name);
  CHECK(std::vector<std::int64_t>(mean->dims().begin(), mean->dims().end()) == std::vector<std::int64_t>{3, 1, 1});
  const float expected[] = {0.5F, 0.25F, 0.0F};
  REQUIRE(mean->raw_data().size() == sizeof(expected));
  CHECK(std::memcmp(mean->raw_data().data(), expected, sizeof(expected)) == 0);
}

TEST_CASE("a vector of another length is refused, and nothing is written") {
  const auto folder = files::TemporaryFolder::create("onnx-").value();
  const job::JobSpec job = job_of("{name: mlp_2nn, input: [20], classes: 3}");
  const auto manifest = model::build_manifest(job.model).value();
  const auto refused = write_onnx(folder.path() / "m.onnx", job, manifest, ParameterVector(7), {});
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Contains("m.onnx: expected ") && Contains("found 7"));
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("a model that is too large for the format is refused before it is built") {
  const job::JobSpec job =
      job_of("{layers: [{linear: 16400}, relu, {linear: 16400}, relu, {linear: 2}], input: [16400], classes: 2}");
  const auto manifest = model::build_manifest(job.model).value();
  const std::size_t count = manifest.parameter_count();
  REQUIRE(count * sizeof(float) > (std::size_t{1} << 31));
  // The command reads no value: it never touches the vector's memory.
  const auto memory = std::make_unique_for_overwrite<float[]>(count);
  const auto refused = onnx_bytes(job, manifest, std::span<const float>(memory.get(), count), {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kResourceExhausted);
  CHECK_THAT(refused.error().message, Contains("safetensors"));
}

TEST_CASE("a file is written as a whole") {
  const auto folder = files::TemporaryFolder::create("onnx-").value();
  const job::JobSpec job = job_of("{name: mlp_2nn, input: [20], classes: 3}");
  const auto manifest = model::build_manifest(job.model).value();
  const auto parameters = model::initial_weights(job.model, 1).value();
  REQUIRE(write_onnx(folder.path() / "m.onnx", job, manifest, parameters, {}));
  std::ifstream file(folder.path() / "m.onnx", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  CHECK(bytes == onnx_bytes(job, manifest, parameters, {}).value());
}

}  // namespace
}  // namespace consilium::onnx
