#include <algorithm>

#include "common/model/layer_tensors.h"
#include "common/model/model_json.h"
#include "common/model/model_spec.h"
#include "nlohmann/json.hpp"
#include "tests/catch.h"

using namespace consilium::model;

namespace {

ModelSpec spec(const char* text) { return *model_from_json(nlohmann::json::parse(text)); }

void check_refused(const ModelSpec& model, const std::string& part) {
  const auto graph = expand(model);
  CAPTURE(part);
  REQUIRE_FALSE(graph);
  CHECK(graph.error().code == consilium::ErrorCode::kInvalidArgument);
  CHECK_THAT(graph.error().message, Catch::Contains(part));
}

}  // namespace

TEST_CASE("sizes that follow from the input are filled in") {
  const auto graph =
      expand(spec(R"({"layers": [{"conv": {"channels": 8, "kernel": 3, "stride": 2, "padding": 1}}, "batchnorm",
      {"maxpool": 2}, {"basic_block": {"channels": 16, "stride": 2}}, "global_avgpool", "flatten", {"linear": 4}, "batchnorm"],
      "input": [3, 28, 20], "classes": 4})"));
  REQUIRE(graph);
  const auto& layers = graph->layers;
  // The block is nine layers: conv1 bn1 relu1 conv2 bn2 downsample.0 downsample.1 add out.
  REQUIRE(layers.size() == 16);
  CHECK(std::get<Conv>(layers[0].operation).in_channels == 3);
  CHECK(std::get<Conv>(layers[0].operation).kernel == Sides{3, 3});
  CHECK(layers[0].output == Shape{8, 14, 10});
  CHECK(std::get<BatchNorm>(layers[1].operation) == BatchNorm{8});
  CHECK(layers[2].output == Shape{8, 7, 5});
  CHECK(layers[3].name == "3.conv1");
  CHECK(layers[8].name == "3.downsample.0");
  CHECK(layers[8].inputs == std::vector<std::size_t>{3});
  CHECK(layers[10].inputs == std::vector<std::size_t>{8, 10});
  CHECK(layers[11].output == Shape{16, 4, 3});
  CHECK(layers[12].output == Shape{16, 1, 1});
  CHECK(std::get<Linear>(layers[14].operation).in_features == 16);
  CHECK(graph->output_shapes() == std::vector<Shape>{{4}});
}

TEST_CASE("a volume's layers have three dimensions") {
  const auto graph = expand(spec(R"({"layers": [{"conv": {"channels": 8, "kernel": [1, 3, 5], "padding": "same"}},
      {"maxpool": {"kernel": 3, "stride": 2, "padding": 1}}, {"transposed_conv": {"channels": 2, "kernel": 2}},
      {"instancenorm": {}}, {"upsample": {"factor": 2, "mode": "nearest"}}, "global_avgpool"],
      "input": [1, 9, 16, 20], "classes": 2})"));
  REQUIRE(graph);
  CHECK(graph->layers[0].output == Shape{8, 9, 16, 20});
  CHECK(graph->layers[1].output == Shape{8, 5, 8, 10});
  CHECK(graph->layers[2].output == Shape{2, 10, 16, 20});
  CHECK(graph->layers[4].output == Shape{2, 20, 32, 40});
  CHECK(graph->layers[5].output == Shape{2, 1, 1, 1});
}

TEST_CASE("layers take their inputs from where they say, and may yield several outputs") {
  const auto graph = expand(spec(R"({"layers": [{"conv": {"channels": 4, "kernel": 3, "padding": 1}, "name": "a"},
      {"conv": {"channels": 4, "kernel": 3, "padding": 1}, "from": "input"}, {"add": {}, "from": ["a", "1"], "name": "sum"},
      {"concat": {}, "from": ["sum", "a", "input"]}, {"conv": {"channels": 4, "kernel": 3, "padding": 1}, "from": "sum", "weights": "head"}],
      "input": [1, 8, 8], "classes": 2})"));
  CHECK_FALSE(graph);  // there is no layer "head"
  const auto good = expand(spec(R"({"layers": [{"conv": {"channels": 4, "kernel": 3, "padding": 1}, "name": "a"},
      {"conv": {"channels": 4, "kernel": 3, "padding": 1}, "name": "head"}, {"add": {}, "from": ["a", "head"], "name": "sum"},
      {"concat": {}, "from": ["sum", "a", "input"]}, {"conv": {"channels": 4, "kernel": 3, "padding": 1}, "from": "sum", "weights": "head"}],
      "input": [1, 8, 8], "classes": 2, "outputs": ["3", "4"]})"));
  REQUIRE(good);
  CHECK(good->layers[2].inputs == std::vector<std::size_t>{1, 2});
  CHECK(good->layers[3].inputs == std::vector<std::size_t>{3, 1, 0});
  CHECK(good->layers[4].owner == 1);
  CHECK(good->output_shapes() == std::vector<Shape>{{9, 8, 8}, {4, 8, 8}});
}

TEST_CASE("a graph that makes no sense is refused, the layer named") {
  const auto model = [](const std::string& layers) {
    return spec((R"({"layers": [)" + layers + R"(], "input": [1, 8, 8], "classes": 2})").c_str());
  };
  const std::string conv = R"({"conv": {"channels": 4, "kernel": 3, "padding": 1}, "name": "a"})";
  check_refused(model(conv + R"(, {"relu": {}, "from": "b"})"),
                "model.layers[1].relu: from: no earlier layer is called 'b'");
  check_refused(model(conv + R"(, {"relu": {}, "name": "a"})"),
                "model.layers[1].relu: name: 'a' is the name of another");
  check_refused(model(R"({"relu": {}, "name": "input"})"),
                "name: 'input' is the name of another layer, or of the input");
  check_refused(model(conv + R"(, {"add": {}, "from": ["a", "input"]})"),
                "model.layers[1].add: inputs must have one shape, found [4, 8, 8] and [1, 8, 8]");
  check_refused(model(conv + R"(, "add")"), "model.layers[1].add: takes 2 inputs or more, found 1");
  check_refused(model(conv + R"(, {"relu": {}, "from": ["a", "input"]})"), "takes one input, found 2");
  check_refused(model(conv + R"(, {"maxpool": 2, "from": "a"}, {"concat": {}, "from": ["a", "1"]})"),
                "inputs may differ only in their channels, found [4, 8, 8] and [4, 4, 4]");
  check_refused(model(conv + R"(, {"conv": {"channels": 4, "kernel": 3}, "from": "input"})"),
                "model.layers[0].conv: no other layer uses its result");
  check_refused(model(conv + R"(, {"conv": {"channels": 4, "kernel": 3}, "weights": "a"})"),
                "model.layers[1].conv: weights: 'a' has no parameters of its own that fit");
  check_refused(model(conv + R"(, {"relu": {}, "name": "r"}, {"relu": {}, "weights": "r"})"),
                "model.layers[2].relu: weights: 'r' has no parameters of its own that fit");
  check_refused(model(conv + R"(, {"groupnorm": 3})"), "3 groups don't divide the 4 channels");
  check_refused(model(conv + R"(, {"maxpool": {"kernel": 2, "padding": 2}})"),
                "the padding of a pool must be at most half");
  check_refused(model(conv + R"(, {"conv": {"channels": 1, "kernel": [1, 2, 3]}})"),
                "kernel has 3 sizes, the image has 2 dimensions");
  ModelSpec outputs = model(conv);
  outputs.outputs = {"b"};
  check_refused(outputs, "model.outputs: no earlier layer is called 'b'");
  outputs.outputs = {"input"};
  check_refused(outputs, "model.outputs: the model's input can't be an output");
}

TEST_CASE("a linear layer on an image gets a flatten that takes no index from the written layers") {
  const auto graph = expand(spec(R"({"layers": [{"conv": {"channels": 2, "kernel": 3}}, "relu", {"linear": 10}],
                                      "input": [1, 5, 5], "classes": 10})"));
  REQUIRE(graph);
  REQUIRE(graph->layers.size() == 4);
  CHECK(graph->layers[0].name == "0");
  CHECK(graph->layers[2].name == "flatten_2");
  CHECK(std::holds_alternative<Flatten>(graph->layers[2].operation));
  CHECK(graph->layers[3].name == "2");
  CHECK(std::get<Linear>(graph->layers[3].operation).in_features == 18);
}

TEST_CASE("layer names are unique in every known model") {
  for (const auto& name : known_models()) {
    CAPTURE(name);
    const auto graph = expand(ModelSpec{name, {}, name == "r3d_18" ? Shape{3, 16, 32, 32} : Shape{3, 32, 32}, 7});
    REQUIRE(graph);
    std::vector<std::string> names;
    for (const auto& layer : graph->layers) names.push_back(layer.name);
    std::sort(names.begin(), names.end());
    CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
  }
}

TEST_CASE("a word freezes the layer of that name, or those inside of it, with all their tensors") {
  ModelSpec resnet{"resnet18", {}, {1, 28, 28}, 2};
  resnet.frozen = {"bn1", "layer1", "layer2.0"};
  const auto graph = expand(resnet);
  REQUIRE(graph);
  std::size_t frozen = 0;
  for (const auto& layer : graph->layers) {
    if (tensors_of(layer).empty()) continue;
    CAPTURE(layer.name);
    const bool expected =
        layer.name == "bn1" || layer.name.starts_with("layer1.") || layer.name.starts_with("layer2.0.");
    CHECK(layer.frozen == expected);
    for (const LayerTensor& tensor : tensors_of(layer)) CHECK(tensor.info.frozen == expected);
    frozen += expected ? 1 : 0;
  }
  CHECK(frozen == 1 + 8 + 6);
  // Layers of the job's own: an index, a name, and the layers that use another one's weights.
  const auto own = [](const std::string& words) {
    return spec((R"({"layers": [{"linear": 4}, {"linear": 4, "name": "shared"}, {"linear": 4, "weights": "shared"},
                               {"dropout": 0.5}, {"linear": 2}], "input": [4], "classes": 2, "frozen": )" +
                 words + "}")
                    .c_str());
  };
  const auto shared = expand(own(R"(["shared"])"));
  REQUIRE(shared);
  CHECK(shared->layers[1].frozen);
  CHECK(shared->layers[2].frozen);
  CHECK_FALSE(shared->layers[0].frozen);
  CHECK_FALSE(shared->layers[4].frozen);
  CHECK(expand(own(R"(["0", "4"])"))->layers[0].frozen);
}

TEST_CASE("a word that freezes nothing, and a list that leaves nothing to train, are refused") {
  ModelSpec resnet{"resnet18", {}, {1, 28, 28}, 2};
  for (const char* word : {"layer", "layer10", "layer1.0.", "layer1.0.conv1.weight", "relu", "layer1.0.relu1"}) {
    resnet.frozen = {"conv1", word};
    check_refused(resnet, std::string("model.frozen[1]: expected a layer that has parameters, or a common beginning of "
                                      "the names of several such layers; found '") +
                              word + "'");
  }
  resnet.frozen = {"layr1"};
  check_refused(resnet, "did you mean 'layer1'?");
  resnet.frozen = {"conv1", "bn1", "layer1", "layer2", "layer3", "layer4"};
  CHECK(expand(resnet));
  resnet.frozen.push_back("fc");
  check_refused(resnet, "model.frozen: the list names every layer; expected at least one");
}

TEST_CASE("normalization stands for every normalisation layer that a site trains for itself") {
  ModelSpec resnet{"resnet18", {}, {1, 28, 28}, 2};
  resnet.local = {"fc", "normalization"};
  const auto graph = expand(resnet);
  REQUIRE(graph);
  std::size_t local = 0;
  for (const auto& layer : graph->layers) {
    if (tensors_of(layer).empty()) continue;
    CAPTURE(layer.name);
    const bool expected = layer.name == "fc" || std::holds_alternative<BatchNorm>(layer.operation);
    CHECK(layer.local == expected);
    for (const LayerTensor& tensor : tensors_of(layer)) CHECK(tensor.info.local == expected);
    local += expected ? 1 : 0;
  }
  CHECK(local == 20 + 1);
  resnet.frozen = {"bn1"};
  const auto both = expand(resnet);
  REQUIRE(both);
  for (const auto& layer : both->layers) CHECK_FALSE((layer.frozen && layer.local));
  resnet.frozen.clear();
  resnet.local = {"conv1", "fc", "layer1", "layer2", "layer3", "layer4", "normalization"};
  check_refused(resnet, "model.local: no layer is left for the sites to train together; expected at least one");
  resnet.local = {"normalisation"};
  check_refused(resnet, "model.local[0]: expected a layer that has parameters");
  ModelSpec plain{"mlp_2nn", {}, {784}, 10};
  plain.local = {"normalization"};
  check_refused(plain, "model.local[0]");
  plain.local.clear();
  plain.frozen = {"normalization"};
  check_refused(plain, "model.frozen[0]");
}

TEST_CASE("a perceptron takes features as well as images") {
  CHECK(expand(ModelSpec{"mlp_2nn", {}, {784}, 10}));
  CHECK(expand(ModelSpec{"mlp_2nn", {}, {1, 28, 28}, 10}));
}

TEST_CASE("shapes that don't fit are refused, the layer named") {
  check_refused(spec(R"({"layers": ["relu", {"conv": {"channels": 1, "kernel": 3}}], "input": [60], "classes": 2})"),
                "model.layers[1].conv: expected an input of shape [channels, height, width] or [channels, depth, "
                "height, width], found [60]");
  check_refused(spec(R"({"layers": [{"conv": {"channels": 1, "kernel": 9}}], "input": [1, 8, 9], "classes": 2})"),
                "model.layers[0].conv: a kernel of 9x9 doesn't fit into an input of shape [1, 8, 9]");
  check_refused(spec(R"({"layers": ["relu"], "input": [10], "classes": 10})"), "no layer has parameters");
  check_refused(ModelSpec{"fedavg_cnn", {}, {1, 3, 3}, 10},
                "model.name: fedavg_cnn: pool2: a kernel of 2x2 doesn't fit");
  check_refused(ModelSpec{"resnet18", {}, {60}, 10}, "model.name: resnet18: conv1: expected an input of shape");
}

TEST_CASE("models beyond the limits are refused before anything is computed with their sizes") {
  check_refused(
      spec(R"({"layers": [{"linear": 65536}, {"linear": 65536}, {"linear": 2}], "input": [60], "classes": 2})"),
      "model.layers[1].linear: the model has more than 2147483648 parameters");
  check_refused(
      spec(
          R"({"layers": [{"conv": {"channels": 65536, "kernel": 1}}, {"linear": 2}], "input": [1, 600, 600], "classes": 2})"),
      "model.layers[0].conv: a shape of [65536, 600, 600] has more than");
  check_refused(ModelSpec{"mlp_2nn", {}, {65536, 65536, 65536}, 10}, "model.input: a shape of");
  check_refused(ModelSpec{"mlp_2nn", {}, {}, 10}, "model.input: expected 1 dimension");
  check_refused(ModelSpec{"mlp_2nn", {}, {28, 28}, 10}, "model.input: expected 1 dimension");
  check_refused(ModelSpec{"mlp_2nn", {}, {-1}, 10}, "model.input[0] must be");
  check_refused(ModelSpec{"mlp_2nn", {}, {INT64_MAX}, 10}, "model.input[0] must be");
  check_refused(ModelSpec{"mlp_2nn", {}, {60}, 0}, "model.classes must be 1 to 1000, is 0");
  check_refused(ModelSpec{"mlp_2nn", {}, {60}, 1001}, "model.classes must be 1 to 1000, is 1001");
  CHECK(expand(ModelSpec{"mlp_2nn", {}, {60}, 1000}).has_value());
  check_refused(ModelSpec{"lenet", {}, {60}, 10},
                "expected one of fedavg_cnn, mlp_2nn, resnet18, resnet34, resnet50, densenet121, r3d_18, unet, "
                "fcos_resnet18, found 'lenet'");
  check_refused(ModelSpec{"", {}, {60}, 10}, "expected a name or layers");
  check_refused(ModelSpec{"mlp_2nn", {Relu{}}, {60}, 10}, "not both");
  check_refused(ModelSpec{"", std::vector<LayerSpec>(1001, Relu{}), {60}, 10}, "at most 1000 layers");
  check_refused(ModelSpec{"", {Conv{0, 2, {3}, {0}, {0}, true}}, {1, 8, 8}, 10}, "stride must be 1 to 255, is 0");
  check_refused(ModelSpec{"", {Conv{0, 2, {3}, {1}, {-1}, true}}, {1, 8, 8}, 10}, "padding must be 0 to 255, is -1");
  check_refused(ModelSpec{"", {MaxPool{{0}, {0}}}, {1, 8, 8}, 10}, "kernel must be");
  check_refused(ModelSpec{"", {Linear{0, -5, true}}, {8}, 10}, "features must be");
  check_refused(ModelSpec{"", {Dropout{1.0}}, {8}, 8}, "the probability");
}
