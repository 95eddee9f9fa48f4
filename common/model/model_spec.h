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

/// Shape of one example, or of a layer's output for one example: [features], [channels, height, width] or [channels,
/// depth, height, width].
using Shape = std::vector<std::int64_t>;

/// Sizes along the dimensions of an image: one number for all of them, or one for each, as in [depth, height, width].
using Sides = std::vector<std::int64_t>;

/// The initial weights of a convolution.
enum class Start : std::uint8_t {
  kDefault,        ///< PyTorch's default: U(-1/sqrt(fan_in), 1/sqrt(fan_in)), also for the bias
  kDetectorHead,   ///< uniform with a standard deviation of 0.01, and a bias of 0 (Lin et al. 2017, section 4.1)
  kDetectorPrior,  ///< the same with a bias of -log(99), so that every class starts with a probability of 0.01
};

/// Convolution over two or three dimensions, as many as its input has. `padding` is always numeric here; a job's "same"
/// needs odd kernels and stride 1.
struct Conv {
  std::int64_t in_channels = 0;  ///< filled by expand()
  std::int64_t out_channels = 0;
  Sides kernel{};
  Sides stride{1};
  Sides padding{0};
  bool bias = true;
  Start start = Start::kDefault;  ///< set by known models only; jobs can't choose it
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
/// Padding is never the maximum.
struct MaxPool {
  Sides kernel{};
  Sides stride{};  ///< the kernel's size if the job doesn't state it
  Sides padding{0};
  bool operator==(const MaxPool&) const = default;
};
struct AvgPool {
  Sides kernel{};
  Sides stride{};
  bool operator==(const AvgPool&) const = default;
};
/// Mean over all dimensions except the channels: [C, H, W] -> [C, 1, 1].
struct GlobalAvgPool {
  bool operator==(const GlobalAvgPool&) const = default;
};
/// Batch normalisation over channels or features; eps 1e-5, momentum 0.1 as in PyTorch.
struct BatchNorm {
  std::int64_t features = 0;  ///< filled by expand()
  bool operator==(const BatchNorm&) const = default;
};
/// Group normalisation (Wu and He 2018), computed for each example separately; eps 1e-5.
struct GroupNorm {
  std::int64_t groups = 0;
  std::int64_t features = 0;  ///< filled by expand()
  bool operator==(const GroupNorm&) const = default;
};
/// Instance normalisation (Ulyanov et al. 2016) with weight and bias, computed for each channel of each example
/// separately.
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
/// Enlarges each side by `factor`, by bilinear (trilinear) interpolation or by copying the nearest value.
struct Upsample {
  std::int64_t factor = 2;
  bool nearest = false;
  bool operator==(const Upsample&) const = default;
};
/// Resizes its first input to the sides of its second by copying the nearest value, as in a feature pyramid.
struct UpsampleLike {
  bool operator==(const UpsampleLike&) const = default;
};
/// Sum of two or more inputs of the same shape.
struct Add {
  bool operator==(const Add&) const = default;
};
/// Concatenates the channels of two or more inputs with the same sides.
struct Concat {
  bool operator==(const Concat&) const = default;
};
/// ResNet's basic block (He et al. 2016): conv3x3-bn-relu-conv3x3-bn plus shortcut (1x1 conv and bn if the shape
/// changes), relu. Uses torchvision's names: conv1, bn1, conv2, bn2, downsample.0, downsample.1. expand() replaces it
/// by these layers.
struct BasicBlock {
  std::int64_t out_channels = 0;
  std::int64_t stride = 1;
  bool operator==(const BasicBlock&) const = default;
};

using Operation =
    std::variant<Conv, Linear, Relu, MaxPool, AvgPool, GlobalAvgPool, BatchNorm, Dropout, Flatten, BasicBlock,
                 TransposedConv, GroupNorm, InstanceNorm, Upsample, UpsampleLike, Add, Concat>;

/// One layer as written in a job. Sizes that follow from the input are zero.
struct LayerSpec {
  LayerSpec() = default;
  template <class Op>
  requires std::constructible_from<Operation, Op> LayerSpec(Op what)
      : operation(std::move(what)) {}  // NOLINT(google-explicit-constructor): a bare operation is a layer
  Operation operation;
  std::string name;               ///< name that other layers refer to; empty: its index
  std::vector<std::string> from;  ///< layers that provide its inputs, or "input"; empty: the layer before it
  std::string weights;            ///< the earlier layer whose parameters it shares; empty: it has its own
  bool operator==(const LayerSpec&) const = default;
};

/// Options of a known model. An option that equals the model's default is left out, so that one model has one text.
struct ModelOptions {
  std::optional<std::int64_t> width{};  ///< channels of the first level (unet), or of the pyramid (fcos_resnet18)
  std::optional<std::int64_t> depth{};  ///< unet: number of times that the sides are halved
  std::optional<std::string> stem{};    ///< "small": 3x3, stride 1; "imagenet": 7x7, stride 2, and a max pool
  std::optional<std::string> norm{};    ///< "batch", "group" or "instance"
  bool operator==(const ModelOptions&) const = default;
};

/// Value of ModelSpec::local for every normalisation layer, as in FedBN (Li et al. 2021).
inline constexpr std::string_view kNormalization = "normalization";

/// A model as a job declares it: a known name, or a list of layers. It's data, never code.
struct ModelSpec {
  std::string name;               ///< one of known_models(), or "" if `layers` is given
  std::vector<LayerSpec> layers;  ///< as written in the job
  Shape input;                    ///< shape of one example, e.g. [1, 28, 28] or [60]
  std::int64_t classes = 0;
  std::vector<std::string> outputs{};  ///< layers whose outputs are the model's outputs; empty: the last layer
  ModelOptions options{};              ///< options of a known model
  /// Layers that keep their initial values, named as in layer_names.h, sorted. Their parameters aren't trained. Their
  /// running statistics don't change, and aren't in updates.
  std::vector<std::string> frozen{};
  /// Layers that each site trains for itself, named in the same way or kNormalization, sorted. They are in no update.
  std::vector<std::string> local{};

  bool operator==(const ModelSpec&) const = default;
};

/// One layer of an expanded model: the operation with every size filled in, its inputs, and the shape of its output.
struct Layer {
  /// Prefix of its parameters in PyTorch, e.g. "conv1", "0", "layer1.0.conv2". If PyTorch has no parameters for it, a
  /// unique name.
  std::string name;
  Operation operation;
  std::vector<std::size_t> inputs;  ///< 0: the model's input; i + 1: the output of layers[i], which is an earlier layer
  Shape output;
  std::size_t owner = 0;  ///< index of the layer whose parameters it uses: itself or an earlier one
  bool frozen = false;    ///< true if the parameters that it uses keep their initial values
  bool local = false;     ///< true if each site has its own values of them
};

/// An expanded model: a directed acyclic graph in topological order. It contains no BasicBlock.
struct Graph {
  std::vector<Layer> layers;
  std::vector<std::size_t> outputs;  ///< indices of layers

  [[nodiscard]] std::vector<Shape> output_shapes() const;
};

/// Returns the names that a job may use as model.name.
[[nodiscard]] const std::vector<std::string>& known_models();

/// Expands a spec into the graph from which both the manifest and the trainer's network are built. Known models become
/// their layers, sizes are derived from the input, and a Linear on an image gets a Flatten before it. Fails with
/// kInvalidArgument, naming the layer ("model.layers[3].linear"), if shapes don't fit, if a layer's output is unused,
/// if `frozen` or `local` names no layer or together they leave no layer to train jointly, or if the model would exceed
/// ParameterManifest::kMaxParameters. task::check_outputs() checks what a task needs of the outputs.
Result<Graph> expand(const ModelSpec& spec);

}  // namespace consilium::model
