#include "client/trainer/data/contact_sheet.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "client/trainer/data/resample.h"
#include "client/trainer/data/volume.h"

namespace consilium::data {
namespace {

constexpr std::int64_t kSide = 128;
constexpr std::size_t kGap = 4;
constexpr std::size_t kMostColumns = 8;

/// An item in the form that its thumbnail is made from.
struct Shown {
  Volume image;
  std::optional<Mask> mask;
  std::optional<Boxes> boxes;
};

Result<Shown> read_item(const Collection& collection, const Item& item, const trainer::DataSource& source) {
  CONSILIUM_ASSIGN(const DecodedImage decoded, collection.images->image(item, {}));
  Shown shown{to_volume(decoded), std::nullopt, std::nullopt};
  if (std::holds_alternative<MaskFile>(item.target)) {
    CONSILIUM_ASSIGN(const DecodedImage labels, collection.images->mask(item, {}));
    CONSILIUM_ASSIGN(shown.mask, to_mask(labels, source.labels.threshold, shown.image.sides));
  }
  if (const auto* boxes = std::get_if<Boxes>(&item.target)) shown.boxes = *boxes;
  if (shown.image.channels != 1 && shown.image.channels != 3) {
    shown.image.values.resize(shown.image.plane());
    shown.image.channels = 1;
  }
  const std::int64_t plane = shown.mask ? fullest_plane(*shown.mask) : shown.image.sides[0] / 2;
  shown.image = slice_of(shown.image, 0, plane);
  if (shown.mask) shown.mask = shown.mask->shape.size() == 3 ? slice_of(*shown.mask, 0, plane) : *shown.mask;
  return shown;
}

class Sheet {
 public:
  explicit Sheet(std::size_t count) : columns_(std::min(std::max<std::size_t>(count, 1), kMostColumns)) {
    const std::size_t rows = (std::max<std::size_t>(count, 1) + columns_ - 1) / columns_, cell = kSide + kGap;
    picture_.width = columns_ * cell + kGap;
    picture_.height = rows * cell + kGap;
    picture_.rgb.assign(picture_.width * picture_.height * 3, 32);
  }

  void draw(std::size_t index, Shown shown) {
    const Sides before = shown.image.sides;
    const double factor = static_cast<double>(kSide) / static_cast<double>(std::max(before[1], before[2]));
    Sides after{1, 1, 1};
    for (const std::size_t axis : {1U, 2U})
      after[axis] = std::clamp<std::int64_t>(std::llround(static_cast<double>(before[axis]) * factor), 1, kSide);
    Canvas canvas(picture_, kGap + index % columns_ * (kSide + kGap), kGap + index / columns_ * (kSide + kGap),
                  after[2], after[1]);
    canvas.draw(resize(shown.image, after));
    if (shown.mask) canvas.draw_outline(resize(*shown.mask, after));
    if (shown.boxes) {
      resize(*shown.boxes, before, after);
      for (const Box& box : shown.boxes->boxes) canvas.draw_frame(box, colour_of(box.label));
    }
  }

  Picture take() { return std::move(picture_); }

 private:
  std::size_t columns_;
  Picture picture_;
};

}  // namespace

Picture contact_sheet(const Collection& collection, const trainer::DataSource& source, std::size_t most) {
  const std::size_t count = std::min(most, collection.items.size());
  Sheet sheet(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto shown = read_item(collection, collection.items[i * collection.items.size() / count], source);
    if (shown) sheet.draw(i, std::move(*shown));
  }
  return sheet.take();
}

}  // namespace consilium::data
