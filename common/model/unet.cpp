#include <cstdint>
#include <string>
#include <vector>

#include "common/model/blocks.h"
#include "common/model/known_models.h"

namespace consilium::model {
namespace {

constexpr std::int64_t kUnetGroups = 8;  // groups of a group normalisation; few, because the first levels are narrow

/// Appends two convolutions of 3 x 3 (x 3), each with normalisation and ReLU.
std::size_t double_conv(Draft& draft, const std::string& name, std::size_t input, std::int64_t channels,
                        const Operation& norm) {
  std::size_t value = input;
  for (const char* number : {"1", "2"}) {
    value = draft.add(name + ".conv" + number, plain_conv(channels, 3), {value});
    value = draft.add(name + ".norm" + number, norm, {value});
    value = draft.add(name + ".relu" + number, Relu{}, {value});
  }
  return value;
}

}  // namespace

/// The U-Net (Ronneberger et al. 2015; for volumes Çiçek et al. 2016) with padded convolutions, so that the output has
/// the image's sides, which must be multiples of 2^depth. It uses instance normalisation unless the job states another
/// one, because its batches are small and batch statistics are what differs between sites.
Draft unet(const ModelSpec& spec) {
  Draft draft;
  const Operation norm = normalisation(spec.options.norm.value_or("instance"), kUnetGroups);
  const std::int64_t depth = spec.options.depth.value_or(4);
  std::int64_t channels = spec.options.width.value_or(32);
  std::vector<std::size_t> levels;
  std::size_t value = Draft::kInput;
  for (std::int64_t level = 0; level < depth; ++level, channels *= 2) {
    const std::string name = "down" + std::to_string(level);
    value = double_conv(draft, name, value, channels, norm);
    levels.push_back(value);
    value = draft.add(name + ".pool", MaxPool{{2}, {2}, {0}}, {value});
  }
  value = double_conv(draft, "bottom", value, channels, norm);
  for (std::int64_t level = depth - 1; level >= 0; --level) {
    channels /= 2;
    const std::string name = "up" + std::to_string(level);
    TransposedConv grow;
    grow.out_channels = channels;
    grow.kernel = {2};
    grow.stride = {2};
    value = draft.add(name + ".upconv", grow, {value});
    value = draft.add(name + ".concat", Concat{}, {levels[static_cast<std::size_t>(level)], value});
    value = double_conv(draft, name, value, channels, norm);
  }
  Conv last = plain_conv(spec.classes, 1);
  last.bias = true;
  draft.outputs = {draft.add("out", last, {value})};
  return draft;
}

}  // namespace consilium::model
