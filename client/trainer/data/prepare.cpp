#include "client/trainer/data/prepare.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "client/trainer/data/resample.h"

namespace consilium::data {
namespace {

using Slices = trainer::Preprocess::Slices;
using Fit = trainer::Preprocess::Fit;
using Normalise = trainer::Preprocess::Normalise;

constexpr std::int64_t kMaxSide = 1 << 16;
constexpr std::int64_t kMaxVoxels = std::int64_t{1} << 31;

std::string text(const Sides& sides) { return fmt::format("{} x {} x {}", sides[0], sides[1], sides[2]); }

/// Returns two or three numbers as D, H and W.
template <class T>
std::array<T, 3> three(const std::vector<T>& values, T first) {
  return values.size() == 2 ? std::array<T, 3>{first, values[0], values[1]}
                            : std::array<T, 3>{values[0], values[1], values[2]};
}

std::size_t axis_of(Slices slices) { return slices == Slices::kAxial ? 0 : slices == Slices::kCoronal ? 1 : 2; }

/// Crops or pads a target together with its image. Boxes are clipped to the block.
void cut(Target& target, const Sides& low, const Sides& sides) {
  if (auto* mask = std::get_if<Mask>(&target)) *mask = block_of(*mask, low, sides);
  if (auto* boxes = std::get_if<Boxes>(&target)) {
    std::vector<Box> kept;
    const auto width = static_cast<float>(sides[2]), height = static_cast<float>(sides[1]);
    for (Box box : boxes->boxes) {
      box.left -= static_cast<float>(low[2]);
      box.right -= static_cast<float>(low[2]);
      box.top -= static_cast<float>(low[1]);
      box.bottom -= static_cast<float>(low[1]);
      const float x = (box.left + box.right) / 2.0F, y = (box.top + box.bottom) / 2.0F;
      if (x < 0.0F || y < 0.0F || x >= width || y >= height) continue;
      kept.push_back({std::max(box.left, 0.0F), std::max(box.top, 0.0F), std::min(box.right, width),
                      std::min(box.bottom, height), box.label});
    }
    boxes->boxes = std::move(kept);
  }
}

/// Adjusts a placement after the image was replaced by a block of it whose low corner is at `low`.
void move(Placement& placement, const Sides& low) {
  for (std::size_t axis = 0; axis < 3; ++axis)
    placement.offset[axis] += placement.scale[axis] * static_cast<double>(low[axis]);
}

void cut(PreparedItem& item, const Sides& low, const Sides& sides) {
  cut(item.target, low, sides);
  item.image = block_of(item.image, low, sides);
  move(item.placement, low);
}

void stretch(PreparedItem& item, const Sides& sides) {
  const Sides before = item.image.sides;
  if (before == sides) return;
  item.image = resize(item.image, sides);
  if (auto* mask = std::get_if<Mask>(&item.target)) *mask = resize(*mask, sides);
  if (auto* boxes = std::get_if<Boxes>(&item.target)) resize(*boxes, before, sides);
  for (std::size_t axis = 0; axis < 3; ++axis)
    item.placement.scale[axis] *= static_cast<double>(before[axis]) / static_cast<double>(sides[axis]);
}

/// Crops to the bounding box of all values above the limit. An image without any such value stays whole.
void crop(PreparedItem& item, double limit, std::int64_t margin) {
  const Volume& image = item.image;
  Sides low = image.sides, high{0, 0, 0};
  std::size_t at = 0;
  for (std::int64_t c = 0; c < image.channels; ++c) {
    for (std::int64_t d = 0; d < image.sides[0]; ++d) {
      for (std::int64_t h = 0; h < image.sides[1]; ++h) {
        for (std::int64_t w = 0; w < image.sides[2]; ++w, ++at) {
          if (!(static_cast<double>(image.values[at]) > limit)) continue;
          const Sides place{d, h, w};
          for (std::size_t axis = 0; axis < 3; ++axis) {
            low[axis] = std::min(low[axis], place[axis]);
            high[axis] = std::max(high[axis], place[axis] + 1);
          }
        }
      }
    }
  }
  if (high[0] == 0) return;
  Sides sides{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    low[axis] = std::max<std::int64_t>(0, low[axis] - margin);
    sides[axis] = std::min(image.sides[axis], high[axis] + margin) - low[axis];
  }
  cut(item, low, sides);
}

void apply_window(Volume& image, const std::array<double, 2>& window) {
  const auto low = static_cast<float>(window[0]), width = static_cast<float>(window[1] - window[0]);
  for (float& value : image.values) value = std::clamp((value - low) / width, 0.0F, 1.0F);
  image.bytes = false;
}

/// Centres an image in the given sides, cropping or padding it.
void centre(PreparedItem& item, const Sides& sides) {
  Sides low{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const std::int64_t surplus = item.image.sides[axis] - sides[axis];
    low[axis] = surplus >= 0 ? surplus / 2 : -((-surplus) / 2);
  }
  if (item.image.sides != sides) cut(item, low, sides);
}

void measure(PreparedItem& item) {
  double sum = 0.0, squares = 0.0;
  const double unit = item.image.bytes ? 255.0 : 1.0;
  for (const float value : item.image.values) sum += static_cast<double>(value) / unit;
  const auto count = static_cast<double>(std::max<std::size_t>(item.image.values.size(), 1));
  const double mean = sum / count;
  for (const float value : item.image.values)
    squares += (static_cast<double>(value) / unit - mean) * (static_cast<double>(value) / unit - mean);
  const double deviation = std::sqrt(squares / count);
  item.mean = static_cast<float>(mean);
  item.deviation = deviation > 1e-6 ? static_cast<float>(deviation) : 1.0F;
}

/// Draws a point on the foreground: a voxel of a mask, or the centre of a box.
std::optional<Sides> draw_foreground(const Target& target, RandomStream& stream) {
  if (const auto* boxes = std::get_if<Boxes>(&target); boxes != nullptr && !boxes->boxes.empty()) {
    const Box& box = boxes->boxes[static_cast<std::size_t>(stream.below(boxes->boxes.size()))];
    return Sides{0, static_cast<std::int64_t>((box.top + box.bottom) / 2.0F),
                 static_cast<std::int64_t>((box.left + box.right) / 2.0F)};
  }
  const auto* mask = std::get_if<Mask>(&target);
  if (mask == nullptr) return std::nullopt;
  const auto count = static_cast<std::uint64_t>(mask->classes.size()) -
                     static_cast<std::uint64_t>(std::count(mask->classes.begin(), mask->classes.end(), 0));
  if (count == 0) return std::nullopt;
  std::uint64_t left = stream.below(count);
  const Sides sides = sides_of(*mask);
  for (std::size_t at = 0;; ++at) {
    if (mask->classes[at] == 0 || left-- != 0) continue;
    const auto index = static_cast<std::int64_t>(at);
    return Sides{index / (sides[1] * sides[2]), index / sides[2] % sides[1], index % sides[2]};
  }
}

Result<Target> load_target(const Collection& collection, const Item& item, const std::optional<double>& threshold,
                           const Volume& image) {
  if (const auto* label = std::get_if<ClassLabel>(&item.target)) return Target(*label);
  if (const auto* labels = std::get_if<LabelVector>(&item.target)) return Target(*labels);
  if (const auto* boxes = std::get_if<Boxes>(&item.target)) {
    if (!image.flat) return refuse("boxes are only possible for images, but this is a volume");
    const bool other = boxes->width != 0 && (boxes->width != image.sides[2] || boxes->height != image.sides[1]);
    if (other)
      return refuse(fmt::format("its boxes were drawn in an image of {} x {} pixels, but it has {} x {}", boxes->width,
                                boxes->height, image.sides[2], image.sides[1]));
    return Target(*boxes);
  }
  CONSILIUM_ASSIGN(const DecodedImage decoded, collection.images->mask(item, {}));
  CONSILIUM_ASSIGN(Mask mask, to_mask(decoded, threshold, image.sides));
  if (image.flat) mask.shape = {image.sides[1], image.sides[2]};
  return Target(std::move(mask));
}

}  // namespace

Result<Preparation> Preparation::create(const trainer::DataSource& source, const std::vector<std::int64_t>& input,
                                        std::shared_ptr<const Atlas> atlas) {
  Preparation preparation;
  preparation.atlas_ = std::move(atlas);
  preparation.options_ = source.preprocess;
  preparation.threshold_ = source.labels.threshold;
  const trainer::Preprocess& options = preparation.options_;
  if (input.empty() || input.size() == 2 || input.size() > 4)
    return refuse(
        "the model's input isn't the shape of an image: expected [channels, height, width] or [channels, depth, "
        "height, width]");
  preparation.channels_ = input.size() == 1 ? 1 : input[0];
  if (preparation.atlas_ != nullptr) preparation.channels_ -= preparation.atlas_->channels();
  if (preparation.channels_ < 1) return refuse("the atlas must have fewer channels than the model's input");
  preparation.flat_ = input.size() != 4;
  preparation.sides_ =
      input.size() == 1 ? Sides{1, 1, input[0]} : three<std::int64_t>({input.begin() + 1, input.end()}, 1);
  for (const auto* sides : {&options.size, &options.patch}) {
    if (sides->empty() || (sides == &options.size && !options.patch.empty())) continue;
    if ((sides->size() == 3) == preparation.flat_ || three<std::int64_t>(*sides, 1) != preparation.sides_)
      return refuse(fmt::format(
          "preprocess: {}: expected the model's [{}], found [{}]", sides == &options.size ? "size" : "patches.size",
          fmt::join(std::vector<std::int64_t>(input.begin() + 1, input.end()), ", "), fmt::join(*sides, ", ")));
  }
  if (options.normalise == Normalise::kFixed && options.mean.size() != 1 &&
      std::cmp_not_equal(options.mean.size(), preparation.channels_))
    return refuse(fmt::format("preprocess: normalise: expected one mean and std, or {}, one for each channel",
                              preparation.channels_));
  return preparation;
}

Result<std::int64_t> Preparation::planes_of(const Collection& collection, const Item& item) const {
  if (options_.slices == Slices::kNone) return 1;
  CONSILIUM_ASSIGN(const DecodedImage header, collection.images->image(item, {.header_only = true}));
  if (header.shape.size() != 4) return 1;
  return header.shape[1 + slice_axis()];
}

Result<void> Preparation::check_sides(const Volume& image) const {
  if (image.sides == sides_) return {};
  if (flat_ && image.sides[0] != 1)
    return refuse(fmt::format("found a volume of {}, but the model takes images; preprocess.slices cuts it into planes",
                              text(image.sides)));
  return refuse(
      fmt::format("found {} voxels, but the model expects {}; preprocess.size or spacing brings images to one size",
                  text(image.sides), text(sides_)));
}

Result<void> Preparation::shape(PreparedItem& item) const {
  Volume& image = item.image;
  CONSILIUM_TRY(set_channels(image, channels_));
  if (options_.crop) crop(item, *options_.crop, options_.crop_margin);
  if (options_.window) apply_window(image, *options_.window);
  if (!options_.spacing.empty()) {
    const auto spacing = three(options_.spacing, image.spacing[0]);
    Sides sides = image.sides;
    std::int64_t voxels = 1;
    for (std::size_t axis = image.flat ? 1 : 0; axis < 3; ++axis) {
      const double side = std::round(static_cast<double>(sides[axis]) * image.spacing[axis] / spacing[axis]);
      if (!(side <= static_cast<double>(kMaxSide)))
        return refuse("its spacing would make it too large; check preprocess.spacing");
      sides[axis] = std::max<std::int64_t>(1, static_cast<std::int64_t>(side));
    }
    for (const std::int64_t side : sides) voxels = voxels > kMaxVoxels / side ? kMaxVoxels + 1 : voxels * side;
    if (voxels > kMaxVoxels / channels_) return refuse("its spacing would make it too large; check preprocess.spacing");
    stretch(item, sides);
  }
  if (!options_.size.empty()) {
    const Sides wanted = three<std::int64_t>(options_.size, image.sides[0]);
    if (options_.fit == Fit::kPad) {
      double factor = 1e300;
      for (std::size_t axis = image.flat ? 1 : 0; axis < 3; ++axis)
        factor = std::min(factor, static_cast<double>(wanted[axis]) / static_cast<double>(image.sides[axis]));
      Sides sides = image.sides;
      for (std::size_t axis = image.flat ? 1 : 0; axis < 3; ++axis)
        sides[axis] =
            std::clamp<std::int64_t>(std::llround(static_cast<double>(sides[axis]) * factor), 1, wanted[axis]);
      stretch(item, sides);
    }
    if (options_.fit == Fit::kStretch) {
      stretch(item, wanted);
    } else {
      centre(item, wanted);
    }
  }
  if (!has_patches()) return check_sides(image);
  const bool mask = std::holds_alternative<Mask>(item.target);
  if (mask && flat_ && image.sides[0] != 1) return check_sides(image);
  if (mask && !flat_ && image.flat)
    return refuse(
        "found an image, but the model's patches are volumes; for images, preprocess.patches.size needs two numbers");
  return {};
}

Result<PreparedItem> Preparation::prepare(Volume image, Target target, std::int64_t plane) const {
  PreparedItem prepared{std::move(image), std::move(target)};
  if (options_.slices != Slices::kNone && !prepared.image.flat) {
    const std::size_t axis = slice_axis();
    if (plane >= prepared.image.sides[axis]) return refuse("has fewer planes than its header declares");
    prepared.image = slice_of(prepared.image, axis, plane);
    if (auto* mask = std::get_if<Mask>(&prepared.target)) *mask = slice_of(*mask, axis, plane);
  }
  prepared.space = std::exchange(prepared.image.space, std::nullopt);
  if (atlas_ != nullptr && !prepared.space)
    return refuse(
        "it has no position in space, as NIfTI and DICOM files can have; without one the job's atlas can't be aligned "
        "with it");
  CONSILIUM_TRY(shape(prepared));
  measure(prepared);
  return prepared;
}

Result<PreparedItem> Preparation::prepare(Volume image, std::int64_t plane) const {
  return prepare(std::move(image), ClassLabel{}, plane);
}

std::size_t Preparation::slice_axis() const { return axis_of(options_.slices); }

std::int64_t Preparation::planes_of(const Volume& image) const {
  return options_.slices == Slices::kNone || image.flat ? 1 : image.sides[slice_axis()];
}

Result<PreparedItem> Preparation::load(const Collection& collection, const Item& item, std::int64_t plane) const {
  const auto load_and_prepare = [&]() -> Result<PreparedItem> {
    CONSILIUM_ASSIGN(const DecodedImage decoded, collection.images->image(item, {}));
    Volume image = to_volume(decoded);
    CONSILIUM_ASSIGN(Target target, load_target(collection, item, threshold_, image));
    return prepare(std::move(image), std::move(target), plane);
  };
  auto prepared = load_and_prepare();
  if (!prepared)
    return fail(prepared.error().within(item.origin.empty() ? item.id : fmt::format("{} ({})", item.id, item.origin)));
  return prepared;
}

void Preparation::cut_patch(PreparedItem& item, RandomStream& stream) const {
  const Sides patch = three<std::int64_t>(options_.patch, 1);
  std::optional<Sides> middle;
  if (stream.next_double() < options_.patch_foreground) middle = draw_foreground(item.target, stream);
  Sides low{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const std::int64_t room = item.image.sides[axis] - patch[axis];
    const auto drawn =
        static_cast<std::int64_t>(stream.below(static_cast<std::uint64_t>(std::max<std::int64_t>(room, 0)) + 1));
    low[axis] = room < 0 ? -((-room) / 2)
                : middle ? std::clamp<std::int64_t>((*middle)[axis] - patch[axis] / 2, 0, room)
                         : drawn;
  }
  cut(item, low, patch);
}

void Preparation::pad_to_patch(PreparedItem& item) const {
  const Sides patch = three<std::int64_t>(options_.patch, 1);
  Sides low{}, sides = item.image.sides;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    low[axis] = -(std::max<std::int64_t>(patch[axis] - sides[axis], 0) / 2);
    sides[axis] = std::max(sides[axis], patch[axis]);
  }
  if (sides == item.image.sides) return;
  item.image = block_of(item.image, low, sides);
  move(item.placement, low);
}

void Preparation::lay_atlas(PreparedItem& item) const {
  if (atlas_ != nullptr && item.space) item.atlas = atlas_->at(*item.space, item.placement, item.image.sides);
}

void Preparation::join_atlas(PreparedItem& item) {
  Volume& image = item.image;
  if (item.atlas.values.empty()) return;
  image.values.insert(image.values.end(), item.atlas.values.begin(), item.atlas.values.end());
  image.channels += item.atlas.channels;
  item.atlas = {};
}

void Preparation::normalise(PreparedItem& item, const Scale& site) const {
  Volume& image = item.image;
  const float unit = image.bytes ? 255.0F : 1.0F;
  image.bytes = false;
  Scale scale;
  if (options_.normalise == Normalise::kImage) scale = {{item.mean}, {item.deviation}};
  if (options_.normalise == Normalise::kSite) scale = site;
  if (options_.normalise == Normalise::kFixed) {
    scale.mean.assign(options_.mean.begin(), options_.mean.end());
    scale.deviation.assign(options_.std.begin(), options_.std.end());
  }
  const std::size_t plane = image.plane();
  for (std::size_t c = 0; c < static_cast<std::size_t>(image.channels); ++c) {
    const float mean = scale.mean[scale.mean.size() == 1 ? 0 : c],
                deviation = scale.deviation[scale.mean.size() == 1 ? 0 : c];
    for (std::size_t i = c * plane; i < (c + 1) * plane; ++i)
      image.values[i] = (image.values[i] / unit - mean) / deviation;
  }
}

}  // namespace consilium::data
