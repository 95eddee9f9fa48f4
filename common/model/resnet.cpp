#include <array>
#include <cstdint>

#include "common/model/blocks.h"
#include "common/model/known_models.h"

namespace consilium::model {
namespace {

constexpr std::int64_t kExpansion = 4;  // of a bottleneck

std::size_t shortcut(Draft& draft, const std::string& name, std::size_t input, std::int64_t in, std::int64_t out,
                     std::int64_t stride, const Operation& norm) {
  if (stride == 1 && in == out) return input;
  const std::size_t conv = draft.add(name + ".downsample.0", plain_conv(out, 1, stride), {input});
  return draft.add(name + ".downsample.1", norm, {conv});
}

std::size_t join(Draft& draft, const std::string& name, std::size_t body, std::size_t beside) {
  return draft.add(name + ".out", Relu{}, {draft.add(name + ".add", Add{}, {body, beside})});
}

/// Appends a convolution, its normalisation and, if `rectify` is set, ReLU: "conv1", "bn1", "relu1".
std::size_t convolve(Draft& draft, const std::string& name, int index, std::size_t input, const Conv& conv,
                     const Operation& norm, bool rectify) {
  const std::string number = std::to_string(index);
  std::size_t value = draft.add(name + "conv" + number, conv, {input});
  value = draft.add(name + "bn" + number, norm, {value});
  return rectify ? draft.add(name + "relu" + number, Relu{}, {value}) : value;
}

std::array<int, 4> blocks_of(int layers) {
  if (layers == 18) return {2, 2, 2, 2};
  return {3, 4, 6, 3};
}

}  // namespace

Operation normalisation(const std::string& norm, std::int64_t groups) {
  if (norm == "group") return GroupNorm{.groups = groups, .features = 0};
  if (norm == "instance") return InstanceNorm{};
  return BatchNorm{};
}

Conv plain_conv(std::int64_t channels, std::int64_t kernel, std::int64_t stride) {
  Conv conv;
  conv.out_channels = channels;
  conv.kernel = {kernel};
  conv.stride = {stride};
  conv.padding = {kernel / 2};
  conv.bias = false;
  return conv;
}

std::size_t basic_block(Draft& draft, const std::string& name, std::size_t input, std::int64_t in, std::int64_t out,
                        std::int64_t stride, const Operation& norm) {
  std::size_t body = convolve(draft, name + ".", 1, input, plain_conv(out, 3, stride), norm, true);
  body = convolve(draft, name + ".", 2, body, plain_conv(out, 3), norm, false);
  const std::size_t beside = shortcut(draft, name, input, in, out, stride, norm);
  return join(draft, name, body, beside);
}

std::size_t bottleneck(Draft& draft, const std::string& name, std::size_t input, std::int64_t in, std::int64_t width,
                       std::int64_t stride, const Operation& norm) {
  std::size_t body = convolve(draft, name + ".", 1, input, plain_conv(width, 1), norm, true);
  body = convolve(draft, name + ".", 2, body, plain_conv(width, 3, stride), norm, true);
  body = convolve(draft, name + ".", 3, body, plain_conv(width * kExpansion, 1), norm, false);
  const std::size_t beside = shortcut(draft, name, input, in, width * kExpansion, stride, norm);
  return join(draft, name, body, beside);
}

std::vector<std::size_t> resnet_stages(Draft& draft, const std::string& prefix, int layers, bool imagenet_stem,
                                       const Operation& norm) {
  const Conv stem = imagenet_stem ? plain_conv(64, 7, 2) : plain_conv(64, 3);
  std::size_t value = convolve(draft, prefix, 1, Draft::kInput, stem, norm, true);
  if (imagenet_stem) value = draft.add(prefix + "maxpool", MaxPool{{3}, {2}, {1}}, {value});
  const bool deep = layers == 50;
  std::int64_t in = 64;
  std::int64_t width = 64;
  std::vector<std::size_t> ends;
  for (const int blocks : blocks_of(layers)) {
    const std::string stage = prefix + "layer" + std::to_string(ends.size() + 1) + ".";
    for (int block = 0; block < blocks; ++block) {
      const std::int64_t stride = block == 0 && !ends.empty() ? 2 : 1;
      const std::string name = stage + std::to_string(block);
      value = deep ? bottleneck(draft, name, value, in, width, stride, norm)
                   : basic_block(draft, name, value, in, width, stride, norm);
      in = deep ? width * kExpansion : width;
    }
    ends.push_back(value);
    width *= 2;
  }
  return ends;
}

Draft resnet(int layers, const ModelSpec& spec) {
  Draft draft;
  const bool imagenet = spec.options.stem.value_or("small") == "imagenet";
  const auto ends = resnet_stages(draft, "", layers, imagenet, normalisation(spec.options.norm.value_or("batch")));
  std::size_t value = draft.add("avgpool", GlobalAvgPool{}, {ends.back()});
  value = draft.add("flatten", Flatten{}, {value});
  draft.outputs = {draft.add("fc", Linear{.out_features = spec.classes}, {value})};
  return draft;
}

Draft r3d_18(const ModelSpec& spec) {
  Draft draft;
  const Operation norm = normalisation(spec.options.norm.value_or("batch"));
  Conv stem = plain_conv(64, 3);
  stem.kernel = {3, 7, 7};
  stem.stride = {1, 2, 2};
  stem.padding = {1, 3, 3};
  // In torchvision's names a convolution and its normalisation are ".0" and ".1" of one part.
  const auto convolve_part = [&](const std::string& name, std::size_t input, const Conv& conv) {
    return draft.add(name + ".1", norm, {draft.add(name + ".0", conv, {input})});
  };
  std::size_t value = draft.add("stem.2", Relu{}, {convolve_part("stem", Draft::kInput, stem)});
  std::int64_t in = 64;
  for (int stage = 1; stage <= 4; ++stage) {
    const std::int64_t out = 32 << stage;
    for (int block = 0; block < 2; ++block) {
      const std::int64_t stride = block == 0 && stage > 1 ? 2 : 1;
      const std::string name = "layer" + std::to_string(stage) + "." + std::to_string(block);
      std::size_t body =
          draft.add(name + ".conv1.2", Relu{}, {convolve_part(name + ".conv1", value, plain_conv(out, 3, stride))});
      body = convolve_part(name + ".conv2", body, plain_conv(out, 3));
      value = join(draft, name, body, shortcut(draft, name, value, in, out, stride, norm));
      in = out;
    }
  }
  value = draft.add("flatten", Flatten{}, {draft.add("avgpool", GlobalAvgPool{}, {value})});
  draft.outputs = {draft.add("fc", Linear{.out_features = spec.classes}, {value})};
  return draft;
}

}  // namespace consilium::model
