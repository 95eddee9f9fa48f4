#include "client/trainer/data/volume.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace consilium::data {
namespace {

Sides sides_of_shape(const std::vector<std::int64_t>& shape) {
  return shape.size() == 3 ? Sides{1, shape[1], shape[2]} : Sides{shape[1], shape[2], shape[3]};
}

std::size_t offset(const Sides& sides, std::int64_t d, std::int64_t h, std::int64_t w) {
  return static_cast<std::size_t>((d * sides[1] + h) * sides[2] + w);
}

/// Copies a block of one channel; positions outside the source keep the value they have.
template <class T>
void copy_block(const T* from, const Sides& from_sides, const Sides& low, T* to, const Sides& to_sides) {
  const std::int64_t first = std::max<std::int64_t>(0, -low[2]);
  const std::int64_t last = std::min(to_sides[2], from_sides[2] - low[2]);
  if (first >= last) return;
  for (std::int64_t d = 0; d < to_sides[0]; ++d) {
    if (d + low[0] < 0 || d + low[0] >= from_sides[0]) continue;
    for (std::int64_t h = 0; h < to_sides[1]; ++h) {
      if (h + low[1] < 0 || h + low[1] >= from_sides[1]) continue;
      std::copy_n(from + offset(from_sides, d + low[0], h + low[1], first + low[2]), last - first,
                  to + offset(to_sides, d, h, first));
    }
  }
}

/// Returns the affine of a plane's voxels. Its columns and rows run along two of the volume's axes, and it is one voxel
/// deep.
Affine plane_of_space(const Affine& space, std::size_t axis, std::int64_t index) {
  // The columns of the matrix correspond to W, H and D.
  const std::size_t cut = 2 - axis, columns = axis == 2 ? 1 : 0, rows = axis == 0 ? 1 : 2;
  Affine plane{};
  for (std::size_t row = 0; row < 12; row += 4) {
    plane[row] = space[row + columns];
    plane[row + 1] = space[row + rows];
    plane[row + 2] = space[row + cut];
    plane[row + 3] = space[row + 3] + static_cast<double>(index) * space[row + cut];
  }
  return plane;
}

Sides without(const Sides& sides, std::size_t axis) {
  if (axis == 0) return {1, sides[1], sides[2]};
  return axis == 1 ? Sides{1, sides[0], sides[2]} : Sides{1, sides[0], sides[1]};
}

template <class T>
void copy_slice(const T* from, const Sides& sides, std::size_t axis, std::int64_t index, T* to) {
  const Sides flat = without(sides, axis);
  for (std::int64_t a = 0; a < flat[1]; ++a) {
    for (std::int64_t b = 0; b < flat[2]; ++b) {
      *to++ = axis == 0   ? from[offset(sides, index, a, b)]
              : axis == 1 ? from[offset(sides, a, index, b)]
                          : from[offset(sides, a, b, index)];
    }
  }
}

}  // namespace

Volume to_volume(const DecodedImage& image) {
  Volume volume;
  volume.channels = image.shape[0];
  volume.sides = sides_of_shape(image.shape);
  volume.flat = image.shape.size() == 3;
  volume.spacing = image.spacing;
  if (image.has_position) volume.space = image.affine;
  volume.bytes = std::holds_alternative<std::vector<std::uint8_t>>(image.pixels);
  std::visit(
      [&](const auto& pixels) {
        volume.values.resize(pixels.size());
        std::transform(pixels.begin(), pixels.end(), volume.values.begin(),
                       [](auto value) { return static_cast<float>(value); });
      },
      image.pixels);
  return volume;
}

Result<void> set_channels(Volume& volume, std::int64_t channels) {
  const std::int64_t colours = volume.channels == 2 || volume.channels == 4 ? volume.channels - 1 : volume.channels;
  const std::size_t plane = volume.plane();
  if (volume.channels == channels) return {};
  if (colours == 1) {
    volume.values.resize(plane);
    for (std::int64_t c = 1; c < channels; ++c) {
      volume.values.resize(volume.values.size() + plane);
      std::copy_n(volume.values.begin(), plane, volume.values.end() - static_cast<std::ptrdiff_t>(plane));
    }
  } else if (colours == 3 && channels == 3) {
    volume.values.resize(3 * plane);
  } else if (colours == 3 && channels == 1) {
    for (std::size_t i = 0; i < plane; ++i) {
      const float grey =
          0.299F * volume.values[i] + 0.587F * volume.values[plane + i] + 0.114F * volume.values[2 * plane + i];
      volume.values[i] = volume.bytes ? std::round(grey) : grey;
    }
    volume.values.resize(plane);
  } else {
    return refuse(fmt::format("has {} channels, but the model expects {}", volume.channels, channels));
  }
  volume.channels = channels;
  return {};
}

Result<Mask> to_mask(const DecodedImage& image, const std::optional<double>& threshold, const Sides& sides) {
  const Sides found = sides_of_shape(image.shape);
  if (found != sides)
    return refuse(fmt::format("the mask has {} x {} x {} voxels, but its image has {} x {} x {}", found[0], found[1],
                              found[2], sides[0], sides[1], sides[2]));
  Mask mask;
  mask.shape.assign(image.shape.begin() + 1, image.shape.end());
  const std::size_t plane =
      static_cast<std::size_t>(sides[0]) * static_cast<std::size_t>(sides[1]) * static_cast<std::size_t>(sides[2]);
  mask.classes.resize(plane);
  // A mask that was saved in colour is grey, with equal channels, so the first channel is enough.
  const auto fill = [&](const auto& pixels) -> Result<void> {
    for (std::size_t i = 0; i < plane; ++i) {
      const auto value = static_cast<double>(pixels[i]);
      if (threshold) {
        mask.classes[i] = value > *threshold ? 1 : 0;
      } else if (value < 0.0 || value > 255.0 || value != std::floor(value)) {
        return refuse(
            fmt::format("the mask holds the value {}, expected classes from 0 to 255; labels.threshold turns such a "
                        "mask into two classes",
                        value));
      } else {
        mask.classes[i] = static_cast<std::uint8_t>(value);
      }
    }
    return {};
  };
  CONSILIUM_TRY(std::visit(fill, image.pixels));
  return mask;
}

Sides sides_of(const Mask& mask) {
  return mask.shape.size() == 2 ? Sides{1, mask.shape[0], mask.shape[1]}
                                : Sides{mask.shape[0], mask.shape[1], mask.shape[2]};
}

std::int64_t fullest_plane(const Mask& mask) {
  const Sides sides = sides_of(mask);
  std::int64_t best = sides[0] / 2, most = 0;
  const std::int64_t plane = sides[1] * sides[2];
  for (std::int64_t d = 0; d < sides[0]; ++d) {
    const auto begin = mask.classes.begin() + d * plane;
    const std::int64_t count = plane - std::count(begin, begin + plane, 0);
    if (count <= most) continue;
    most = count;
    best = d;
  }
  return best;
}

Volume slice_of(const Volume& volume, std::size_t axis, std::int64_t index) {
  Volume image;
  image.channels = volume.channels;
  image.sides = without(volume.sides, axis);
  image.bytes = volume.bytes;
  const std::size_t first = axis == 0 ? 1 : 0, second = axis == 2 ? 1 : 2;
  image.spacing = {1.0, volume.spacing[first], volume.spacing[second]};
  if (volume.space) image.space = plane_of_space(*volume.space, axis, index);
  image.values.resize(static_cast<std::size_t>(image.channels) * image.plane());
  for (std::size_t c = 0; c < static_cast<std::size_t>(volume.channels); ++c)
    copy_slice(volume.values.data() + c * volume.plane(), volume.sides, axis, index,
               image.values.data() + c * image.plane());
  return image;
}

Mask slice_of(const Mask& mask, std::size_t axis, std::int64_t index) {
  const Sides flat = without(sides_of(mask), axis);
  Mask image;
  image.shape = {flat[1], flat[2]};
  image.classes.resize(static_cast<std::size_t>(flat[1] * flat[2]));
  copy_slice(mask.classes.data(), sides_of(mask), axis, index, image.classes.data());
  return image;
}

Volume block_of(const Volume& volume, const Sides& low, const Sides& sides) {
  Volume block;
  block.channels = volume.channels;
  block.sides = sides;
  block.spacing = volume.spacing;
  block.flat = volume.flat;
  block.bytes = volume.bytes;
  const float least = volume.values.empty() ? 0.0F : *std::min_element(volume.values.begin(), volume.values.end());
  block.values.assign(static_cast<std::size_t>(block.channels) * block.plane(), least);
  for (std::size_t c = 0; c < static_cast<std::size_t>(volume.channels); ++c)
    copy_block(volume.values.data() + c * volume.plane(), volume.sides, low, block.values.data() + c * block.plane(),
               sides);
  return block;
}

Mask block_of(const Mask& mask, const Sides& low, const Sides& sides) {
  Mask block;
  block.shape = mask.shape.size() == 2 ? std::vector{sides[1], sides[2]} : std::vector{sides[0], sides[1], sides[2]};
  block.classes.assign(static_cast<std::size_t>(sides[0] * sides[1] * sides[2]), 0);
  copy_block(mask.classes.data(), sides_of(mask), low, block.classes.data(), sides);
  return block;
}

}  // namespace consilium::data
