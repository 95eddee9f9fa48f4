#pragma once

#include <string>

#include "common/model/draft.h"

/// Building blocks of the known models, with torchvision's names.
namespace consilium::model {

/// Returns the normalisation that the option `norm` names: "batch", "instance", or "group" with this number of groups
/// (32 as in Wu and He 2018).
[[nodiscard]] Operation normalisation(const std::string& norm, std::int64_t groups = 32);

/// Returns a 1 x 1 or k x k convolution without a bias, padded so that stride 1 keeps the sides.
[[nodiscard]] Conv plain_conv(std::int64_t channels, std::int64_t kernel, std::int64_t stride = 1);

/// Appends ResNet's basic block (He et al. 2016): conv1, bn1, conv2, bn2, downsample.0, downsample.1. Returns its
/// value.
/// @param in  channels of the input
std::size_t basic_block(Draft& draft, const std::string& name, std::size_t input, std::int64_t in, std::int64_t out,
                        std::int64_t stride, const Operation& norm);

/// Appends ResNet's bottleneck block with torchvision's stride in the 3 x 3 convolution. Returns its value, which has 4
/// * width channels.
std::size_t bottleneck(Draft& draft, const std::string& name, std::size_t input, std::int64_t in, std::int64_t width,
                       std::int64_t stride, const Operation& norm);

/// Appends a ResNet from its stem to its last stage, and returns the output value of each stage.
/// @param prefix  prefix of every name: "" or a prefix that ends with a dot
/// @param layers  18, 34 or 50
std::vector<std::size_t> resnet_stages(Draft& draft, const std::string& prefix, int layers, bool imagenet_stem,
                                       const Operation& norm);

}  // namespace consilium::model
