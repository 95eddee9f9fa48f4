#include "common/model/known_models.h"

#include <utility>

namespace consilium::model {
namespace {

Conv2d conv(std::int64_t channels, std::int64_t kernel, std::int64_t padding, bool bias) {
  Conv2d layer;
  layer.out_channels = channels;
  layer.kernel = kernel;
  layer.padding = padding;
  layer.bias = bias;
  return layer;
}

Linear linear(std::int64_t features) {
  Linear layer;
  layer.out_features = features;
  return layer;
}

BasicBlock block(std::int64_t channels, std::int64_t stride) {
  BasicBlock layer;
  layer.out_channels = channels;
  layer.stride = stride;
  return layer;
}

/// The CNN of McMahan et al. 2017, section 3.
std::vector<NamedOperation> fedavg_cnn(std::int64_t classes) {
  return {{"conv1", conv(32, 5, 2, true)}, {"relu1", Relu{}},    {"pool1", MaxPool2d{2, 2}},
          {"conv2", conv(64, 5, 2, true)}, {"relu2", Relu{}},    {"pool2", MaxPool2d{2, 2}},
          {"flatten", Flatten{}},          {"fc1", linear(512)}, {"relu3", Relu{}},
          {"fc2", linear(classes)}};
}

/// The multilayer perceptron ("2NN") of McMahan et al. 2017, section 3.
std::vector<NamedOperation> mlp_2nn(std::int64_t classes) {
  return {{"flatten", Flatten{}}, {"fc1", linear(200)}, {"relu1", Relu{}},
          {"fc2", linear(200)},   {"relu2", Relu{}},    {"fc3", linear(classes)}};
}

/// ResNet-18 (He et al. 2016) with the stem for 28x28 images of MedMNIST (Yang et al. 2023), under torchvision's names.
std::vector<NamedOperation> resnet18(std::int64_t classes) {
  std::vector<NamedOperation> layers{{"conv1", conv(64, 3, 1, false)}, {"bn1", BatchNorm{}}, {"relu", Relu{}}};
  for (std::int64_t stage = 1, channels = 64; stage <= 4; ++stage, channels *= 2) {
    const std::string name = "layer" + std::to_string(stage);
    layers.push_back({name + ".0", block(channels, stage == 1 ? 1 : 2)});
    layers.push_back({name + ".1", block(channels, 1)});
  }
  layers.push_back({"avgpool", GlobalAvgPool2d{}});
  layers.push_back({"flatten", Flatten{}});
  layers.push_back({"fc", linear(classes)});
  return layers;
}

}  // namespace

const std::vector<std::string>& known_models() {
  static const std::vector<std::string> names{"fedavg_cnn", "mlp_2nn", "resnet18"};
  return names;
}

std::vector<NamedOperation> layers_of_known_model(const ModelSpec& spec) {
  if (spec.name == "fedavg_cnn") return fedavg_cnn(spec.classes);
  if (spec.name == "mlp_2nn") return mlp_2nn(spec.classes);
  if (spec.name == "resnet18") return resnet18(spec.classes);
  return {};
}

}  // namespace consilium::model
