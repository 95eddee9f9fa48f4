#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/error/error.h"

namespace consilium::model {

/// 2D convolution. `padding` is resolved ("same" needs odd kernels and stride 1).
struct Conv2d {
  std::int64_t in_channels = 0;  ///< filled by expand()
  std::int64_t out_channels = 0;
  std::int64_t kernel = 0;
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  bool bias = true;
  bool operator==(const Conv2d&) const = default;
};
struct Linear {
  std::int64_t in_features = 0;  ///< filled by expand()
  std::int64_t out_features = 0;
  bool bias = true;
  bool operator==(const Linear&) const = default;
};
struct Relu {
  bool operator==(const Relu&) const = default;
};
struct MaxPool2d {
  std::int64_t kernel = 0;
  std::int64_t stride = 0;  ///< the kernel's size where the job leaves it out
  bool operator==(const MaxPool2d&) const = default;
};
struct AvgPool2d {
  std::int64_t kernel = 0;
  std::int64_t stride = 0;
  bool operator==(const AvgPool2d&) const = default;
};
/// Mean over height and width: [C, H, W] -> [C, 1, 1].
struct GlobalAvgPool2d {
  bool operator==(const GlobalAvgPool2d&) const = default;
};
/// Batch normalisation over channels ([C, H, W]) or features ([F]); eps 1e-5, momentum 0.1 as in PyTorch.
struct BatchNorm {
  std::int64_t features = 0;  ///< filled by expand()
  bool spatial = true;        ///< filled by expand(): BatchNorm2d or BatchNorm1d
  bool operator==(const BatchNorm&) const = default;
};
struct Dropout {
  double probability = 0.5;
  bool operator==(const Dropout&) const = default;
};
/// [C, H, W] -> [C * H * W].
struct Flatten {
  bool operator==(const Flatten&) const = default;
};
/// ResNet's basic block (He et al. 2016): conv3x3-bn-relu-conv3x3-bn plus shortcut (1x1 conv and bn where the shape
/// changes), relu. torchvision's names: conv1, bn1, conv2, bn2, downsample.0, downsample.1.
struct BasicBlock {
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t stride = 1;
  bool operator==(const BasicBlock&) const = default;
};

using Operation =
    std::variant<Conv2d, Linear, Relu, MaxPool2d, AvgPool2d, GlobalAvgPool2d, BatchNorm, Dropout, Flatten, BasicBlock>;

/// A model as a job declares it: a known name, or a list of layers. Data, never code.
struct ModelSpec {
  std::string name;                 ///< "fedavg_cnn", "mlp_2nn", "resnet18", or "" where `layers` is given
  std::vector<Operation> layers;    ///< as written; sizes that follow from the input are zero
  std::vector<std::int64_t> input;  ///< shape of one example, e.g. [1, 28, 28] or [60]
  std::int64_t classes = 0;

  bool operator==(const ModelSpec&) const = default;
};

/// One step of an expanded model: the operation with every size filled in, its PyTorch name, and the shape it yields.
struct Layer {
  std::string
      name;  ///< prefix of its parameters, e.g. "conv1", "0", "layer1.0"; where torch has no parameters, a unique name
  Operation operation;
  std::vector<std::int64_t> output;  ///< shape of one example after it
};

/// The names a job may give as model.name.
[[nodiscard]] const std::vector<std::string>& known_models();

/// Turns a spec into the sequence of layers that both the manifest and the trainer's module are built from: named
/// models become their layers, sizes are derived from the input, a Linear on a [C, H, W] input gets a Flatten before
/// it. Fails with kInvalidArgument, naming the layer ("model.layers[3].linear"), where shapes don't fit, the output
/// isn't [classes], or the model would exceed ParameterManifest::kMaxParameters.
Result<std::vector<Layer>> expand(const ModelSpec& spec);

}  // namespace consilium::model
