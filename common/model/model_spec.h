#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "common/error/error.h"

namespace consilium::model {

/// Shape of one example, or of what a layer yields for one: [features], [channels, height, width] or [channels, depth,
/// height, width].
using Shape = std::vector<std::int64_t>;

/// Sizes along the dimensions of an image: one number for all of them, or one for each, as in [depth, height, width].
using Sides = std::vector<std::int64_t>;

/// How the weights of a convolution begin.
enum class Start : std::uint8_t {
  kDefault,        ///< PyTorch's: U(-1/sqrt(fan_in), 1/sqrt(fan_in)), the bias too
  kDetectorHead,   ///< uniform with a standard deviation of 0.01, and a bias of 0 (Lin et al. 2017, section 4.1)
  kDetectorPrior,  ///< the same with a bias of -log(99): every class begins with a probability of 0.01
};

/// Convolution over two or three dimensions, as many as its input has. `padding` is resolved ("same" needs odd kernels
/// and stride 1).
struct Conv {
  std::int64_t in_channels = 0;  ///< filled by expand()
  std::int64_t out_channels = 0;
  Sides kernel{};
  Sides stride{1};
  Sides padding{0};
  bool bias = true;
  Start start = Start::kDefault;  ///< no job says it; known models do
  bool operator==(const Conv&) const = default;
};
/// Transposed convolution without padding: each side becomes (side - 1) * stride + kernel.
struct TransposedConv {
  std::int64_t in_channels = 0;  ///< filled by expand()
  std::int64_t out_channels = 0;
  Sides kernel{};
  Sides stride{};
  bool bias = true;
  bool operator==(const TransposedConv&) const = default;
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
/// Padding never wins a maximum.
struct MaxPool {
  Sides kernel{};
  Sides stride{};  ///< the kernel's size where the job leaves it out
  Sides padding{0};
  bool operator==(const MaxPool&) const = default;
};
struct AvgPool {
  Sides kernel{};
  Sides stride{};
  bool operator==(const AvgPool&) const = default;
};
/// Mean over all dimensions but the channels: [C, H, W] -> [C, 1, 1].
struct GlobalAvgPool {
  bool operator==(const GlobalAvgPool&) const = default;
};
/// Batch normalisation over channels or features; eps 1e-5, momentum 0.1 as in PyTorch.
struct BatchNorm {
  std::int64_t features = 0;  ///< filled by expand()
  bool operator==(const BatchNorm&) const = default;
};
/// Group normalisation (Wu and He 2018): each example by itself; eps 1e-5.
struct GroupNorm {
  std::int64_t groups = 0;
  std::int64_t features = 0;  ///< filled by expand()
  bool operator==(const GroupNorm&) const = default;
};
/// Instance normalisation (Ulyanov et al. 2016), with weight and bias: each channel of each example by itself.
struct InstanceNorm {
  std::int64_t features = 0;  ///< filled by expand()
  bool operator==(const InstanceNorm&) const = default;
};
struct Dropout {
  double probability = 0.5;
  bool operator==(const Dropout&) const = default;
};
/// [C, ...] -> [C * ...].
struct Flatten {
  bool operator==(const Flatten&) const = default;
};
/// Makes each side `factor` times as large, by bilinear (trilinear) interpolation or by copying the nearest value.
struct Upsample {
  std::int64_t factor = 2;
  bool nearest = false;
  bool operator==(const Upsample&) const = default;
};
/// Brings its first input to the sides of its second one by copying the nearest value, as a feature pyramid does.
struct UpsampleLike {
  bool operator==(const UpsampleLike&) const = default;
};
/// Sum of two or more inputs of one shape.
struct Add {
  bool operator==(const Add&) const = default;
};
/// Two or more inputs of the same sides, their channels one after another.
struct Concat {
  bool operator==(const Concat&) const = default;
};
/// ResNet's basic block (He et al. 2016): conv3x3-bn-relu-conv3x3-bn plus shortcut (1x1 conv and bn where the shape
/// changes), relu. torchvision's names: conv1, bn1, conv2, bn2, downsample.0, downsample.1. expand() replaces it by its
/// parts.
struct BasicBlock {
  std::int64_t out_channels = 0;
  std::int64_t stride = 1;
  bool operator==(const BasicBlock&) const = default;
};

using Operation =
    std::variant<Conv, Linear, Relu, MaxPool, AvgPool, GlobalAvgPool, BatchNorm, Dropout, Flatten, BasicBlock,
                 TransposedConv, GroupNorm, InstanceNorm, Upsample, UpsampleLike, Add, Concat>;

/// One layer as a job writes it. Sizes that follow from the input are zero.
struct LayerSpec {
  LayerSpec() = default;
  template <class Op>
  requires std::constructible_from<Operation, Op> LayerSpec(Op what)
      : operation(std::move(what)) {}  // NOLINT(google-explicit-constructor): a bare operation is a layer
  Operation operation;
  std::string name;               ///< what others call it by; empty: its index
  std::vector<std::string> from;  ///< layers that it takes its inputs from, or "input"; empty: the layer before it
  std::string weights;            ///< the earlier layer whose parameters it uses; empty: it has its own
  bool operator==(const LayerSpec&) const = default;
};

/// What a known model leaves open. Left out where it is the model's default, so that one model has one text.
struct ModelOptions {
  std::optional<std::int64_t> width{};  ///< channels of the first level (unet), or of the pyramid (fcos_resnet18)
  std::optional<std::int64_t> depth{};  ///< unet: how often the sides are halved
  std::optional<std::string> stem{};    ///< "small": 3x3, stride 1; "imagenet": 7x7, stride 2, and a max pool
  std::optional<std::string> norm{};    ///< "batch", "group" or "instance"
  bool operator==(const ModelOptions&) const = default;
};

/// In ModelSpec::local: every normalisation layer, as in FedBN (Li et al. 2021).
inline constexpr std::string_view kNormalization = "normalization";

/// A model as a job declares it: a known name, or a list of layers. Data, never code.
struct ModelSpec {
  std::string name;               ///< one of known_models(), or "" where `layers` is given
  std::vector<LayerSpec> layers;  ///< as written
  Shape input;                    ///< shape of one example, e.g. [1, 28, 28] or [60]
  std::int64_t classes = 0;
  std::vector<std::string> outputs{};  ///< layers whose values the model yields; empty: the last one
  ModelOptions options{};              ///< of a known model
  /// Layers that stay as they begin, by the words of layer_names.h, sorted: their parameters aren't trained, and their
  /// running statistics neither change nor travel.
  std::vector<std::string> frozen{};
  /// Layers that each site trains for itself, by the same words or kNormalization, sorted: they are in no update.
  std::vector<std::string> local{};

  bool operator==(const ModelSpec&) const = default;
};

/// One step of an expanded model: the operation with every size filled in, what it works on, and the shape it yields.
struct Layer {
  /// Prefix of its parameters in PyTorch, e.g. "conv1", "0", "layer1.0.conv2"; where torch has no parameters, a unique
  /// name.
  std::string name;
  Operation operation;
  std::vector<std::size_t> inputs;  ///< 0: the model's input; i + 1: what layers[i] yields, an earlier one
  Shape output;
  std::size_t owner = 0;  ///< whose parameters it uses: its own index, or an earlier layer's
  bool frozen = false;    ///< do the parameters that it uses stay as they begin?
  bool local = false;     ///< are they each site's own?
};

/// An expanded model: a directed acyclic graph in an order in which it can be computed. No BasicBlock is in it.
struct Graph {
  std::vector<Layer> layers;
  std::vector<std::size_t> outputs;  ///< indices of layers

  [[nodiscard]] std::vector<Shape> output_shapes() const;
};

/// The names a job may give as model.name.
[[nodiscard]] const std::vector<std::string>& known_models();

/// Turns a spec into the graph that both the manifest and the trainer's network are built from: named models become
/// their layers, sizes are derived from the input, a Linear on an image gets a Flatten before it. Fails with
/// kInvalidArgument, naming the layer ("model.layers[3].linear"), where shapes don't fit, a layer's value is used by
/// nobody, `frozen` or `local` names no layer, they leave none to train together, or the model would exceed
/// ParameterManifest::kMaxParameters. What a task needs of the outputs is task::check_outputs()'s to say.
Result<Graph> expand(const ModelSpec& spec);

}  // namespace consilium::model
