#include "common/model/model_json.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "tests/catch.h"

using namespace consilium::model;
using nlohmann::json;

namespace {

/// Returns a model of one layer.
std::string with_layer(const std::string& layer) {
  return R"({"layers": [)" + layer + R"(], "input": [1, 28, 28], "classes": 10})";
}

}  // namespace

TEST_CASE("a model reads back from the JSON that it was written as, and writes as the same text") {
  const auto text =
      R"({"layers": [{"conv": {"channels": 32, "kernel": 5, "padding": "same", "stride": 1, "bias": true}}, "relu",
      {"maxpool": 2}, {"avgpool": {"kernel": 3, "stride": 1}}, {"batchnorm": {}}, "batchnorm", {"dropout": 0.25},
      {"basic_block": {"channels": 64, "stride": 2}}, "global_avgpool", "flatten", {"linear": {"features": 64, "bias": false}},
      {"linear": 10}], "input": [1, 28, 28], "classes": 10})";
  const auto spec = model_from_json(json::parse(text));
  REQUIRE(spec);
  CHECK(std::get<Conv>(spec->layers[0].operation) == Conv{0, 32, {5}, {1}, {2}, true});
  CHECK(std::get<MaxPool>(spec->layers[2].operation) == MaxPool{{2}, {2}});
  CHECK(std::get<AvgPool>(spec->layers[3].operation) == AvgPool{{3}, {1}});
  CHECK(spec->layers[4] == spec->layers[5]);
  CHECK(std::get<Linear>(spec->layers[10].operation) == Linear{0, 64, false});
  const auto written = to_json(*spec);
  const auto again = model_from_json(written);
  REQUIRE(again);
  CHECK(*again == *spec);
  CHECK(to_json(*again).dump() == written.dump());
  CHECK(written["layers"][0].dump() == R"({"conv":{"bias":true,"channels":32,"kernel":5,"padding":2,"stride":1}})");
}

TEST_CASE("a known model is written by its name") {
  const auto spec = model_from_json(json::parse(R"({"name": "fedavg_cnn", "input": [1, 28, 28], "classes": 2})"));
  REQUIRE(spec);
  CHECK(to_json(*spec).dump() == R"({"classes":2,"input":[1,28,28],"name":"fedavg_cnn"})");
}

TEST_CASE("a known model's options are written where they aren't its defaults") {
  const auto spec = model_from_json(json::parse(
      R"({"name": "unet", "width": 16, "depth": 4, "norm": "instance", "input": [1, 32, 32], "classes": 2})"));
  REQUIRE(spec);
  CHECK(to_json(*spec).dump() == R"({"classes":2,"input":[1,32,32],"name":"unet","width":16})");
  CHECK(*model_from_json(to_json(*spec)) == *spec);
}

TEST_CASE("frozen layers are written in order of name, and a list that can't be is refused") {
  const auto model = [](const std::string& frozen) {
    return json::parse(R"({"name": "resnet18", "frozen": )" + frozen + R"(, "input": [1, 28, 28], "classes": 2})");
  };
  const auto spec = model_from_json(model(R"(["layer1", "conv1", "bn1"])"));
  REQUIRE(spec);
  CHECK(to_json(*spec).dump() ==
        R"({"classes":2,"frozen":["bn1","conv1","layer1"],"input":[1,28,28],"name":"resnet18"})");
  CHECK(*model_from_json(to_json(*spec)) == *spec);
  CHECK(*model_from_json(model(R"(["bn1", "layer1", "conv1"])")) == *spec);
  for (const char* wrong :
       {"[]", "{}", "\"conv1\"", "1", "[1]", "[\"\"]", "[\"a b\"]", "[[\"conv1\"]]", "[\"conv1\", \"conv1\"]"}) {
    INFO(wrong);
    const auto refused = model_from_json(model(wrong));
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, Catch::StartsWith("frozen"));
  }
  std::string many = "[\"l0\"";
  for (int i = 1; i <= 1000; ++i) many += ", \"l" + std::to_string(i) + "\"";
  CHECK_FALSE(model_from_json(model(many + "]")));
}

TEST_CASE("layers that are each site's own are written in order of name") {
  const auto spec = model_from_json(
      json::parse(R"({"name": "resnet18", "local": ["normalization", "fc"], "input": [1, 28, 28], "classes": 2})"));
  REQUIRE(spec);
  CHECK(to_json(*spec).dump() == R"({"classes":2,"input":[1,28,28],"local":["fc","normalization"],"name":"resnet18"})");
  CHECK(*model_from_json(to_json(*spec)) == *spec);
  CHECK_THAT(model_from_json(json::parse(R"({"name": "resnet18", "local": [], "input": [1, 28, 28], "classes": 2})"))
                 .error()
                 .message,
             Catch::StartsWith("local"));
}

TEST_CASE("a graph reads back from what it was written as, and what goes without saying is left out") {
  const auto spec = model_from_json(json::parse(
      R"({"layers": [{"conv": {"channels": 4, "kernel": [3, 3]}, "name": "a", "from": "input"}, {"relu": {}, "from": ["a"]},
          {"conv": {"channels": 4, "kernel": [1, 3], "padding": "same"}, "from": "a"}, {"add": {}, "from": ["1", "2"]},
          {"upsample": 2}, {"groupnorm": 2}, {"maxpool": {"kernel": 3, "stride": 2, "padding": 1}}],
          "input": [1, 8, 8], "classes": 2, "outputs": ["6"]})"));
  REQUIRE(spec);
  CHECK(
      to_json(*spec).dump() ==
      R"({"classes":2,"input":[1,8,8],"layers":[{"conv":{"bias":true,"channels":4,"kernel":3,"padding":0,"stride":1},"name":"a"},"relu",{"conv":{"bias":true,"channels":4,"kernel":[1,3],"padding":[0,1],"stride":1},"from":"a"},{"add":{},"from":["1","2"]},{"upsample":{"factor":2,"mode":"linear"}},{"groupnorm":2},{"maxpool":{"kernel":3,"padding":1,"stride":2}}]})");
  CHECK(*model_from_json(to_json(*spec)) == *spec);
}

TEST_CASE("what is wrong in a model is named by its path, with what was expected and found") {
  struct Case {
    std::string text;
    std::string message;
  };
  const std::vector<Case> cases{
      {"3", "expected a map, found 3"},
      {"[]", "expected a map, found an empty list"},
      {"{}", "name: missing"},
      {R"({"nam": "resnet18"})", "nam: unknown key, did you mean 'name'?"},
      {R"({"name": "resnet81", "input": [1], "classes": 2})",
       "name: expected one of fedavg_cnn, mlp_2nn, resnet18, resnet34, resnet50, densenet121, r3d_18, unet, "
       "fcos_resnet18, found 'resnet81', did you mean 'resnet18'?"},
      {R"({"name": 3, "input": [1], "classes": 2})",
       "name: expected one of fedavg_cnn, mlp_2nn, resnet18, resnet34, resnet50, densenet121, r3d_18, unet, "
       "fcos_resnet18, found 3"},
      {R"({"name": "resnet18", "layers": [], "input": [1], "classes": 2})",
       "layers: a model has a name or layers, not both"},
      {R"({"name": "resnet18", "classes": 2})", "input: missing, expected the shape of one example"},
      {R"({"name": "resnet18", "input": [1, 28], "classes": 2})",
       "input: expected a list of 1 size (features), 3 (channels"},
      {R"({"name": "resnet18", "input": "big", "classes": 2})",
       "input: expected a list of 1 size (features), 3 (channels, height, width) or 4 (channels, depth, height, "
       "width), found 'big'"},
      {R"({"name": "resnet18", "input": [1, 28, 0], "classes": 2})",
       "input[2]: expected an integer 1 to 65536, found 0"},
      {R"({"name": "resnet18", "input": [1, 28, 18446744073709551615], "classes": 2})",
       "input[2]: expected an integer 1 to 65536, found 18446744073709551615"},
      {R"({"name": "resnet18", "input": [1, 28, 1e300], "classes": 2})", "input[2]: expected an integer"},
      {R"({"name": "resnet18", "input": [1, 28, 28]})", "classes: missing, expected an integer 1 to 1000"},
      {R"({"name": "resnet18", "input": [1, 28, 28], "classes": 0})",
       "classes: expected an integer 1 to 1000, found 0"},
      {R"({"name": "resnet18", "input": [1, 28, 28], "classes": true})",
       "classes: expected an integer 1 to 1000, found true"},
      {R"({"layers": [], "input": [1], "classes": 2})", "layers: expected a list of layers, found an empty list"},
      {R"({"layers": {"conv": 1}, "input": [1], "classes": 2})", "layers: expected a list of layers, found a map"},
      {with_layer(R"("relo")"), "layers[0]: unknown layer 'relo', did you mean 'relu'?"},
      {with_layer(R"({"convolution": 3})"), "layers[0]: unknown layer 'convolution'"},
      {with_layer(R"("conv")"), "layers[0]: 'conv' needs settings"},
      {with_layer("7"), "layers[0]: expected a type of layer, or a map from one type to its settings, found 7"},
      {with_layer("{}"), "layers[0]: expected a type of layer"},
      {with_layer(R"({"linear": 1, "relu": {}})"), "layers[0]: expected a type of layer"},
      {with_layer(R"("relu", {"conv": {"channels": 3, "kernel": "big"}})"),
       "layers[1].conv.kernel: expected an integer 1 to 255, found 'big'"},
      {with_layer(R"({"conv": {"channels": 3}})"), "layers[0].conv.kernel: missing, expected an integer 1 to 255"},
      {with_layer(R"({"conv": {"channels": 3, "kernal": 3}})"),
       "layers[0].conv.kernal: unknown key, did you mean 'kernel'?"},
      {with_layer(R"({"conv": 3})"), "layers[0].conv: expected a map, found 3"},
      {with_layer(R"({"conv": {"channels": 0, "kernel": 3}})"),
       "layers[0].conv.channels: expected an integer 1 to 65536, found 0"},
      {with_layer(R"({"conv": {"channels": 3, "kernel": 3, "stride": -1}})"),
       "layers[0].conv.stride: expected an integer 1 to 255, found -1"},
      {with_layer(R"({"conv": {"channels": 3, "kernel": 4, "padding": "same"}})"),
       "layers[0].conv.padding: 'same' needs an odd kernel"},
      {with_layer(R"({"conv": {"channels": 3, "kernel": 3, "stride": 2, "padding": "same"}})"),
       "layers[0].conv.padding: 'same' needs"},
      {with_layer(R"({"conv": {"channels": 3, "kernel": 3, "padding": "valid"}})"),
       "layers[0].conv.padding: expected 'same' or an integer 0 to 255, found 'valid'"},
      {with_layer(R"({"conv": {"channels": 3, "kernel": 3, "padding": 256}})"),
       "layers[0].conv.padding: expected an integer 0 to 255, found 256"},
      {with_layer(R"({"conv": {"channels": 3, "kernel": 3, "bias": 1}})"),
       "layers[0].conv.bias: expected true or false, found 1"},
      {with_layer(R"({"linear": "ten"})"), "layers[0].linear: expected an integer 1 to 65536, found 'ten'"},
      {with_layer(R"({"linear": {"bias": true}})"), "layers[0].linear.features: missing"},
      {with_layer(R"({"maxpool": {"size": 2}})"), "layers[0].maxpool.size: unknown key"},
      {with_layer(R"({"avgpool": null})"), "layers[0].avgpool: expected an integer 1 to 255, found nothing"},
      {with_layer(R"({"dropout": 1.0})"), "layers[0].dropout: expected a number, at least 0 and below 1, found 1.0"},
      {with_layer(R"({"dropout": "half"})"),
       "layers[0].dropout: expected a number, at least 0 and below 1, found 'half'"},
      {with_layer(R"({"relu": {"slope": 1}})"), "layers[0].relu.slope: unknown key, no word is accepted here"},
      {with_layer(R"({"conv": {"channels": 3, "kernel": [3]}})"),
       "layers[0].conv.kernel: expected an integer 1 to 255, or a list with one such integer for each dimension, found "
       "a list of 1"},
      {with_layer(R"({"conv": {"channels": 3, "kernel": [3, 0]}})"),
       "layers[0].conv.kernel[1]: expected an integer 1 to 255, found 0"},
      {with_layer(R"({"relu": {}, "name": 3})"), "layers[0].name: expected a layer's name: a letter, then"},
      {with_layer(R"({"relu": {}, "name": "3"})"), "layers[0].name: a name begins with a letter"},
      {with_layer(R"({"relu": {}, "name": "a b"})"), "layers[0].name: expected a layer's name"},
      {with_layer(R"({"relu": {}, "from": []})"), "layers[0].from: expected a layer's name, or a list of 1 to 32"},
      {with_layer(R"({"relu": {}, "from": ["a", 3]})"), "layers[0].from[1]: expected a layer's name"},
      {with_layer(R"({"relu": {}, "weights": null})"), "layers[0].weights: expected a layer's name"},
      {with_layer(R"({"name": "a"})"), "layers[0]: expected a type of layer"},
      {with_layer(R"({"upsample": {"factor": 17}})"),
       "layers[0].upsample.factor: expected an integer 1 to 16, found 17"},
      {with_layer(R"({"upsample": {"factor": 2, "mode": "cubic"}})"),
       "layers[0].upsample.mode: expected 'linear' or 'nearest', found 'cubic'"},
      {with_layer(R"({"groupnorm": 0})"), "layers[0].groupnorm: expected an integer 1 to 65536, found 0"},
      {R"({"layers": ["relu"], "outputs": [], "input": [1], "classes": 2})", "outputs: expected a list of 1 to 32"},
      {R"({"layers": ["relu"], "width": 8, "input": [1], "classes": 2})",
       "width: is an option of known models, not of layers"},
      {R"({"name": "unet", "outputs": ["out"], "input": [1, 8, 8], "classes": 2})",
       "outputs: a known model defines its own outputs"},
      {R"({"name": "unet", "width": 3, "input": [1, 8, 8], "classes": 2})",
       "width: expected an integer 4 to 512, found 3"},
      {R"({"name": "unet", "stem": "small", "input": [1, 8, 8], "classes": 2})", "stem: unet has no such option"},
      {R"({"name": "unet", "norm": "layer", "input": [1, 8, 8], "classes": 2})",
       "norm: expected one of instance, batch, group, found 'layer'"},
      {R"({"name": "fcos_resnet18", "width": 100, "input": [3, 64, 64], "classes": 2})",
       "width: expected an integer 32 to 1024 and a multiple of 32, found 100"},
      {with_layer(R"({"basic_block": {"stride": 2}})"), "layers[0].basic_block.channels: missing"},
  };
  for (const auto& [text, message] : cases) {
    const auto spec = model_from_json(json::parse(text));
    CAPTURE(text);
    REQUIRE_FALSE(spec);
    CHECK(spec.error().code == consilium::ErrorCode::kInvalidArgument);
    CHECK_THAT(spec.error().message, Catch::StartsWith(message));
  }
}

TEST_CASE("NaN for a dropout, and text of a megabyte, are refused in one short line") {
  json nan = json::parse(R"({"layers": [{"dropout": 0}], "input": [4], "classes": 4})");
  nan["layers"][0]["dropout"] = std::numeric_limits<double>::quiet_NaN();
  CHECK_FALSE(model_from_json(nan));
  const auto long_word = model_from_json(json{{"layers", {std::string(1 << 20, 'x')}}, {"input", {4}}, {"classes", 4}});
  REQUIRE_FALSE(long_word);
  CHECK(long_word.error().message.size() < 300);
}
