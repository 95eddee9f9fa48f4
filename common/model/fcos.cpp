#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/model/blocks.h"
#include "common/model/known_models.h"

namespace consilium::model {
namespace {

constexpr std::int64_t kHeadGroups = 32;
constexpr int kTowerConvs = 4;

Conv biased(std::int64_t channels, std::int64_t kernel, std::int64_t stride = 1, Start start = Start::kDefault) {
  Conv conv = plain_conv(channels, kernel, stride);
  conv.bias = true;
  conv.start = start;
  return conv;
}

/// The feature pyramid (Lin et al. 2017) with two more levels on top: strides 8 to 128.
std::vector<std::size_t> pyramid(Draft& draft, const std::vector<std::size_t>& stages, std::int64_t width) {
  const std::string name = "backbone.fpn.";
  std::array<std::size_t, 3> inner{};
  for (std::size_t i = 0; i < 3; ++i)
    inner[i] = draft.add(name + "inner_blocks." + std::to_string(i) + ".0", biased(width, 1), {stages[i + 1]});
  for (std::size_t i = 2; i-- > 0;) {
    const std::string level = std::to_string(i);
    const std::size_t above = draft.add(name + "top_down." + level, UpsampleLike{}, {inner[i + 1], inner[i]});
    inner[i] = draft.add(name + "merge." + level, Add{}, {inner[i], above});
  }
  std::vector<std::size_t> levels;
  for (std::size_t i = 0; i < 3; ++i)
    levels.push_back(draft.add(name + "layer_blocks." + std::to_string(i) + ".0", biased(width, 3), {inner[i]}));
  levels.push_back(draft.add(name + "extra_blocks.p6", biased(width, 3, 2), {levels.back()}));
  const std::size_t rectified = draft.add(name + "extra_blocks.relu", Relu{}, {levels.back()});
  levels.push_back(draft.add(name + "extra_blocks.p7", biased(width, 3, 2), {rectified}));
  return levels;
}

/// A head: four convolutions with group normalisation and ReLU, then one convolution for each prediction. Its
/// parameters are created on the first level and shared by all levels.
class Head {
 public:
  Head(Draft& draft, std::string name, std::int64_t width) : draft_(draft), name_(std::move(name)), width_(width) {}

  /// Appends the four convolutions on a level.
  std::size_t tower(std::size_t level, std::size_t value) {
    for (int i = 0; i < kTowerConvs; ++i) {
      const std::string conv = name_ + "conv." + std::to_string(3 * i);
      const std::string norm = name_ + "conv." + std::to_string(3 * i + 1);
      value = add(conv, biased(width_, 3, 1, Start::kDetectorHead), level, value);
      value = add(norm, GroupNorm{.groups = kHeadGroups, .features = 0}, level, value);
      value = draft_.add(name_ + "relu." + std::to_string(i) + suffix(level), Relu{}, {value});
    }
    return value;
  }
  /// Appends the convolution for one prediction.
  std::size_t say(const char* what, std::int64_t channels, Start start, std::size_t level, std::size_t value) {
    return add(name_ + what, biased(channels, 3, 1, start), level, value);
  }

 private:
  static std::string suffix(std::size_t level) { return level == 0 ? "" : ".level" + std::to_string(level); }

  std::size_t add(const std::string& name, const Operation& operation, std::size_t level, std::size_t input) {
    if (level > 0)
      return draft_.add_sharing(name + suffix(level), operation, input, owners_.at(next_++ % owners_.size()));
    owners_.push_back(draft_.add(name, operation, {input}));
    return owners_.back();
  }

  Draft& draft_;
  std::string name_;
  std::int64_t width_;
  std::vector<std::size_t> owners_;  ///< values of the first level, in order
  std::size_t next_ = 0;
};

}  // namespace

/// FCOS (Tian et al. 2019) on a ResNet-18 with a feature pyramid, under torchvision's names.
Draft fcos_resnet18(const ModelSpec& spec) {
  Draft draft;
  const Operation norm = normalisation(spec.options.norm.value_or("batch"));
  const std::int64_t width = spec.options.width.value_or(256);
  const auto stages = resnet_stages(draft, "backbone.body.", 18, true, norm);
  const std::vector<std::size_t> levels = pyramid(draft, stages, width);
  std::vector<std::size_t> classes, boxes, centres;
  Head classification(draft, "head.classification_head.", width);
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const std::size_t value = classification.tower(i, levels[i]);
    classes.push_back(classification.say("cls_logits", spec.classes, Start::kDetectorPrior, i, value));
  }
  Head regression(draft, "head.regression_head.", width);
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const std::size_t value = regression.tower(i, levels[i]);
    boxes.push_back(regression.say("bbox_reg", 4, Start::kDetectorHead, i, value));
    centres.push_back(regression.say("bbox_ctrness", 1, Start::kDetectorHead, i, value));
  }
  for (std::size_t i = 0; i < levels.size(); ++i)
    draft.outputs.insert(draft.outputs.end(), {classes[i], boxes[i], centres[i]});
  return draft;
}

}  // namespace consilium::model
