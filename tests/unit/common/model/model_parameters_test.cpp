#include "common/model/model_parameters.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>

#include "common/crypto/sha256.h"
#include "common/model/model_json.h"
#include "nlohmann/json.hpp"
#include "tests/catch.h"

using namespace consilium;
using namespace consilium::model;

namespace {

ModelSpec named(const char* name, std::vector<std::int64_t> input, std::int64_t classes) {
  return ModelSpec{name, {}, std::move(input), classes};
}

std::vector<std::string> names_of(const ParameterManifest& manifest) {
  std::vector<std::string> names;
  for (const auto& tensor : manifest.tensors()) names.push_back(tensor.name);
  return names;
}

std::span<const float> slice(const ParameterManifest& manifest, const ParameterVector& values, std::string_view name) {
  const auto found = std::find_if(manifest.tensors().begin(), manifest.tensors().end(),
                                  [&](const auto& tensor) { return tensor.name == name; });
  REQUIRE(found != manifest.tensors().end());
  return std::span(values).subspan(found->offset, found->size);
}

}  // namespace

TEST_CASE("the papers' models have the papers' numbers of parameters") {
  CHECK(build_manifest(named("fedavg_cnn", {1, 28, 28}, 10))->parameter_count() == 1'663'370);
  CHECK(build_manifest(named("mlp_2nn", {1, 28, 28}, 10))->parameter_count() == 199'210);
  CHECK(build_manifest(named("mlp_2nn", {784}, 10))->parameter_count() == 199'210);
  // The well-known ResNet-18 with a 3x3 stem for 3 channels and 10 classes: 11,173,962 trainable, and 9,600 running
  // statistics.
  CHECK(build_manifest(named("resnet18", {3, 28, 28}, 10))->parameter_count() == 11'173'962 + 9'600);
}

TEST_CASE("torchvision's architectures have torchvision's numbers of parameters") {
  const auto count = [](const char* name, std::vector<std::int64_t> input, std::int64_t classes, bool imagenet) {
    ModelSpec spec = named(name, std::move(input), classes);
    if (imagenet) spec.options.stem = "imagenet";
    std::size_t trainable = 0;
    const ParameterManifest manifest = build_manifest(spec).value();
    for (const TensorInfo& tensor : manifest.tensors())
      trainable += tensor.role == TensorRole::kTrainable ? tensor.size : 0;
    return trainable;
  };
  CHECK(count("resnet18", {3, 224, 224}, 1000, true) == 11'689'512);
  CHECK(count("resnet34", {3, 224, 224}, 1000, true) == 21'797'672);
  CHECK(count("resnet50", {3, 224, 224}, 1000, true) == 25'557'032);
  CHECK(count("densenet121", {3, 224, 224}, 1000, true) == 7'978'856);
  CHECK(count("r3d_18", {3, 16, 112, 112}, 400, false) == 33'371'472);
}

TEST_CASE("a detector's head begins unsure") {
  const auto spec = named("fcos_resnet18", {3, 64, 64}, 1);
  const auto manifest = *build_manifest(spec);
  const auto weights = *initial_weights(spec, 7);
  const auto priors = slice(manifest, weights, "head.classification_head.cls_logits.bias");
  REQUIRE(priors.size() == 1);
  CHECK(1.0 / (1.0 + std::exp(-static_cast<double>(priors[0]))) == Approx(0.01));
  const auto tower = slice(manifest, weights, "head.regression_head.conv.0.weight");
  double squares = 0;
  for (const float value : tower) squares += static_cast<double>(value) * static_cast<double>(value);
  CHECK(std::sqrt(squares / static_cast<double>(tower.size())) == Approx(0.01).epsilon(0.02));
  for (const float value : slice(manifest, weights, "head.regression_head.bbox_reg.bias")) CHECK(value == 0.0F);
}

TEST_CASE("tensors have the names and shapes that PyTorch gives them, in state_dict order") {
  const auto cnn = *build_manifest(named("fedavg_cnn", {1, 28, 28}, 2));
  CHECK(names_of(cnn) == std::vector<std::string>{"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias",
                                                  "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"});
  CHECK(cnn.tensors()[2].shape == std::vector<std::int64_t>{64, 32, 5, 5});
  CHECK(cnn.tensors()[4].shape == std::vector<std::int64_t>{512, 3136});
  const auto resnet = *build_manifest(named("resnet18", {1, 28, 28}, 2));
  const auto names = names_of(resnet);
  CHECK(names.size() == 102);  // torchvision's 122 entries, 20 of them num_batches_tracked
  const std::vector<std::string> begin{"conv1.weight",       "bn1.weight",      "bn1.bias",
                                       "bn1.running_mean",   "bn1.running_var", "layer1.0.conv1.weight",
                                       "layer1.0.bn1.weight"};
  CHECK(std::equal(begin.begin(), begin.end(), names.begin()));
  const auto shortcut = std::find(names.begin(), names.end(), "layer2.0.downsample.0.weight");
  REQUIRE(shortcut != names.end());
  CHECK(*std::prev(shortcut) == "layer2.0.bn2.running_var");
  CHECK(*std::next(shortcut) == "layer2.0.downsample.1.weight");
  CHECK(std::find(names.begin(), names.end(), "layer1.0.downsample.0.weight") == names.end());
  CHECK(names.back() == "fc.bias");
  CHECK(resnet.tensors()[3].role == TensorRole::kBuffer);
}

TEST_CASE("parameters of written layers are named by the layer's index") {
  const auto model = model_from_json(nlohmann::json::parse(
      R"({"layers": [{"conv": {"channels": 2, "kernel": 3, "bias": false}}, "batchnorm", "relu", {"linear": 10}], "input": [1, 5, 5], "classes": 10})"));
  REQUIRE(model);
  CHECK(names_of(*build_manifest(*model)) == std::vector<std::string>{"0.weight", "1.weight", "1.bias",
                                                                      "1.running_mean", "1.running_var", "3.weight",
                                                                      "3.bias"});
}

TEST_CASE("initial weights are uniform within 1/sqrt(fan_in), and batch norms begin as the identity") {
  const auto spec = named("resnet18", {1, 28, 28}, 2);
  const auto manifest = *build_manifest(spec);
  const auto weights = *initial_weights(spec, 7);
  const auto conv = slice(manifest, weights, "layer1.0.conv1.weight");
  const float bound = 1.0F / 24.0F;  // fan_in 64 * 3 * 3
  double sum = 0, squares = 0;
  for (const float value : conv) {
    REQUIRE(std::abs(value) <= bound);
    sum += value;
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  const auto count = static_cast<double>(conv.size());
  CHECK(sum / count == Approx(0).margin(0.001));
  CHECK(std::sqrt(squares / count) == Approx(bound / std::sqrt(3.0)).epsilon(0.02));
  for (const float value : slice(manifest, weights, "fc.bias")) CHECK(std::abs(value) <= 1.0F / std::sqrt(512.0F));
  for (const float value : slice(manifest, weights, "bn1.weight")) CHECK(value == 1.0F);
  for (const float value : slice(manifest, weights, "bn1.bias")) CHECK(value == 0.0F);
  for (const float value : slice(manifest, weights, "bn1.running_mean")) CHECK(value == 0.0F);
  for (const float value : slice(manifest, weights, "bn1.running_var")) CHECK(value == 1.0F);
}

TEST_CASE("initial weights are the same bytes everywhere, and follow the seed") {
  const auto spec = named("mlp_2nn", {1, 28, 28}, 10);
  const auto weights = *initial_weights(spec, 7);
  // From an independent implementation of generator and initialiser in Python (hashlib, numpy).
  CHECK(crypto::to_hex(crypto::sha256(std::as_bytes(std::span(weights)))) ==
        "3f9a3090ca85540692141b0fb1f120a74c145b66be85e1205110a51a53caa8ab");
  CHECK(weights != *initial_weights(spec, 8));
}

TEST_CASE("an impossible model yields no manifest and no weights") {
  CHECK_FALSE(build_manifest(named("lenet", {1, 28, 28}, 10)));
  CHECK_FALSE(initial_weights(named("fedavg_cnn", {1, 2, 2}, 10), 1));
}
