#include <array>
#include <cstdint>
#include <string>

#include "common/model/blocks.h"
#include "common/model/known_models.h"

namespace consilium::model {
namespace {

constexpr std::int64_t kGrowth = 32;
constexpr std::int64_t kBottleneck = 4 * kGrowth;

/// Appends one dense layer, which adds kGrowth new channels.
std::size_t dense_layer(Draft& draft, const std::string& name, std::size_t features) {
  std::size_t value = draft.add(name + ".relu1", Relu{}, {draft.add(name + ".norm1", BatchNorm{}, {features})});
  value = draft.add(name + ".conv1", plain_conv(kBottleneck, 1), {value});
  value = draft.add(name + ".relu2", Relu{}, {draft.add(name + ".norm2", BatchNorm{}, {value})});
  return draft.add(name + ".conv2", plain_conv(kGrowth, 3), {value});
}

}  // namespace

/// DenseNet-121 (Huang et al. 2017). Each layer's input is the output of all layers before it.
Draft densenet121(const ModelSpec& spec) {
  Draft draft;
  const bool imagenet = spec.options.stem.value_or("small") == "imagenet";
  std::int64_t channels = 64;
  std::size_t value =
      draft.add("features.conv0", imagenet ? plain_conv(channels, 7, 2) : plain_conv(channels, 3), {Draft::kInput});
  value = draft.add("features.relu0", Relu{}, {draft.add("features.norm0", BatchNorm{}, {value})});
  if (imagenet) value = draft.add("features.pool0", MaxPool{{3}, {2}, {1}}, {value});
  constexpr std::array<int, 4> kLayers{6, 12, 24, 16};
  for (std::size_t block = 0; block < kLayers.size(); ++block) {
    const std::string number = std::to_string(block + 1);
    for (int layer = 1; layer <= kLayers[block]; ++layer) {
      const std::string name = "features.denseblock" + number + ".denselayer" + std::to_string(layer);
      const std::size_t fresh = dense_layer(draft, name, value);
      value = draft.add(name + ".features", Concat{}, {value, fresh});
      channels += kGrowth;
    }
    if (block + 1 == kLayers.size()) break;
    const std::string name = "features.transition" + number;
    channels /= 2;
    value = draft.add(name + ".relu", Relu{}, {draft.add(name + ".norm", BatchNorm{}, {value})});
    value = draft.add(name + ".conv", plain_conv(channels, 1), {value});
    value = draft.add(name + ".pool", AvgPool{{2}, {2}}, {value});
  }
  value = draft.add("relu5", Relu{}, {draft.add("features.norm5", BatchNorm{}, {value})});
  value = draft.add("flatten", Flatten{}, {draft.add("avgpool", GlobalAvgPool{}, {value})});
  draft.outputs = {draft.add("classifier", Linear{.out_features = spec.classes}, {value})};
  return draft;
}

}  // namespace consilium::model
