#include <algorithm>
#include <catch2/catch.hpp>

#include "common/model/model_json.h"
#include "common/model/model_spec.h"
#include "nlohmann/json.hpp"

using namespace consilium::model;

namespace {

ModelSpec spec(const char* text) { return *model_from_json(nlohmann::json::parse(text)); }

void check_refused(const ModelSpec& model, const std::string& part) {
  const auto layers = expand(model);
  CAPTURE(part);
  REQUIRE_FALSE(layers);
  CHECK(layers.error().code == consilium::ErrorCode::kInvalidArgument);
  CHECK_THAT(layers.error().message, Catch::Contains(part));
}

}  // namespace

TEST_CASE("sizes that follow from the input are filled in") {
  const auto layers =
      expand(spec(R"({"layers": [{"conv": {"channels": 8, "kernel": 3, "stride": 2, "padding": 1}}, "batchnorm",
      {"maxpool": 2}, {"basic_block": {"channels": 16, "stride": 2}}, "global_avgpool", "flatten", {"linear": 4}, "batchnorm"],
      "input": [3, 28, 20], "classes": 4})"));
  REQUIRE(layers);
  REQUIRE(layers->size() == 8);
  using Shape = std::vector<std::int64_t>;
  CHECK(std::get<Conv2d>((*layers)[0].operation).in_channels == 3);
  CHECK((*layers)[0].output == Shape{8, 14, 10});
  CHECK(std::get<BatchNorm>((*layers)[1].operation) == BatchNorm{8, true});
  CHECK((*layers)[2].output == Shape{8, 7, 5});
  CHECK(std::get<BasicBlock>((*layers)[3].operation) == BasicBlock{8, 16, 2});
  CHECK((*layers)[3].output == Shape{16, 4, 3});
  CHECK((*layers)[4].output == Shape{16, 1, 1});
  CHECK(std::get<Linear>((*layers)[6].operation).in_features == 16);
  CHECK(std::get<BatchNorm>((*layers)[7].operation) == BatchNorm{4, false});
}

TEST_CASE("a linear layer on an image gets a flatten that takes no index from the written layers") {
  const auto layers = expand(spec(R"({"layers": [{"conv": {"channels": 2, "kernel": 3}}, "relu", {"linear": 10}],
                                      "input": [1, 5, 5], "classes": 10})"));
  REQUIRE(layers);
  REQUIRE(layers->size() == 4);
  CHECK((*layers)[0].name == "0");
  CHECK((*layers)[2].name == "flatten_2");
  CHECK(std::holds_alternative<Flatten>((*layers)[2].operation));
  CHECK((*layers)[3].name == "2");
  CHECK(std::get<Linear>((*layers)[3].operation).in_features == 18);
}

TEST_CASE("layer names are unique in every known model") {
  for (const auto& name : known_models()) {
    const auto layers = expand(ModelSpec{name, {}, {3, 28, 28}, 7});
    REQUIRE(layers);
    std::vector<std::string> names;
    for (const auto& layer : *layers) names.push_back(layer.name);
    std::sort(names.begin(), names.end());
    CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
  }
}

TEST_CASE("a perceptron takes features as well as images") {
  CHECK(expand(ModelSpec{"mlp_2nn", {}, {784}, 10}));
  CHECK(expand(ModelSpec{"mlp_2nn", {}, {1, 28, 28}, 10}));
}

TEST_CASE("shapes that don't fit are refused, the layer named") {
  check_refused(spec(R"({"layers": ["relu", {"conv": {"channels": 1, "kernel": 3}}], "input": [60], "classes": 2})"),
                "model.layers[1].conv: expected an input of shape [channels, height, width], found [60]");
  check_refused(spec(R"({"layers": [{"conv": {"channels": 1, "kernel": 9}}], "input": [1, 8, 9], "classes": 2})"),
                "model.layers[0].conv: a kernel of 9x9 doesn't fit into an input of shape [1, 8, 9]");
  check_refused(spec(R"({"layers": [{"linear": 9}], "input": [60], "classes": 10})"),
                "model.layers[0].linear: the last layer must yield one value a class, [10], but yields [9]");
  check_refused(
      spec(
          R"({"layers": [{"conv": {"channels": 2, "kernel": 1}}, "global_avgpool"], "input": [1, 8, 9], "classes": 2})"),
      "model.layers[1].global_avgpool: the last layer must yield one value a class, [2], but yields [2, 1, 1]");
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
  check_refused(ModelSpec{"mlp_2nn", {}, {60}, 1}, "model.classes must be 2 to 1000, is 1");
  check_refused(ModelSpec{"mlp_2nn", {}, {60}, 1001}, "model.classes must be 2 to 1000, is 1001");
  CHECK(expand(ModelSpec{"mlp_2nn", {}, {60}, 1000}).has_value());
  check_refused(ModelSpec{"lenet", {}, {60}, 10}, "expected one of fedavg_cnn, mlp_2nn, resnet18, found 'lenet'");
  check_refused(ModelSpec{"", {}, {60}, 10}, "expected a name or layers");
  check_refused(ModelSpec{"mlp_2nn", {Relu{}}, {60}, 10}, "not both");
  check_refused(ModelSpec{"", std::vector<Operation>(1001, Relu{}), {60}, 10}, "at most 1000 layers");
  check_refused(ModelSpec{"", {Conv2d{0, 2, 3, 0, 0, true}}, {1, 8, 8}, 10}, "stride must be 1 to 255, is 0");
  check_refused(ModelSpec{"", {Conv2d{0, 2, 3, 1, -1, true}}, {1, 8, 8}, 10}, "padding must be 0 to 255, is -1");
  check_refused(ModelSpec{"", {MaxPool2d{0, 0}}, {1, 8, 8}, 10}, "kernel must be");
  check_refused(ModelSpec{"", {Linear{0, -5, true}}, {8}, 10}, "features must be");
  check_refused(ModelSpec{"", {Dropout{1.0}}, {8}, 8}, "the probability");
}
