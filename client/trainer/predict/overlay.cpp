#include "client/trainer/predict/overlay.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <utility>

#include "client/trainer/data/resample.h"

namespace consilium::predict {
namespace {

/// The limits of the longer side of a picture: smaller images are enlarged, and larger ones reduced.
constexpr std::int64_t kLeastSide = 256;
constexpr std::int64_t kMostSide = 2048;
constexpr std::int64_t kMargin = 2;

data::Sides shown_sides(const data::Sides& sides) {
  const std::int64_t longest = std::max(sides[1], sides[2]);
  const double factor = static_cast<double>(std::clamp(longest, kLeastSide, kMostSide)) / static_cast<double>(longest);
  data::Sides shown{1, 1, 1};
  for (const std::size_t axis : {1U, 2U})
    shown[axis] = std::clamp<std::int64_t>(std::llround(static_cast<double>(sides[axis]) * factor), 1, kMostSide);
  return shown;
}

}  // namespace

Overlay::Overlay(data::Volume image) : before_(image.sides), after_(shown_sides(image.sides)) {
  if (image.channels != 1 && image.channels != 3) {
    image.values.resize(image.plane());
    image.channels = 1;
  }
  picture_.width = static_cast<std::size_t>(after_[2]);
  picture_.height = static_cast<std::size_t>(after_[1]);
  picture_.rgb.assign(picture_.width * picture_.height * 3, 0);
  canvas().draw(data::resize(image, after_));
}

void Overlay::outline(const data::Mask& classes) { canvas().draw_outline(data::resize(classes, after_)); }

void Overlay::frame(const data::Box& box, std::string_view words) {
  data::Boxes boxes{{box}, 0, 0};
  data::resize(boxes, before_, after_);
  const data::Box& shown = boxes.boxes.front();
  const data::Colour colour = data::colour_of(box.label);
  canvas().draw_frame(shown, colour);
  const std::int64_t above = std::llround(shown.top) - data::kTextHeight - kMargin;
  canvas().write(std::max(above, kMargin), std::llround(shown.left) + kMargin, words, colour);
}

void Overlay::write_line(std::string_view words, const data::Colour& colour) {
  canvas().write(next_line_, kMargin, words, colour);
  next_line_ += data::kTextHeight + kMargin;
}

data::Volume plane_of(const Image& image, const data::Preparation& preparation, std::int64_t plane) {
  const data::Volume& pixels = image.pixels;
  if (pixels.flat) return pixels;
  if (image.planes > 1) return data::slice_of(pixels, preparation.slice_axis(), plane);
  return data::slice_of(pixels, 0, pixels.sides[0] / 2);
}

Result<std::string> write_overlay(const ResultContext& context, const Image& image, std::int64_t plane,
                                  const Overlay& overlay) {
  CONSILIUM_ASSIGN(const std::string png, data::to_png(overlay.picture()));
  const std::string ending = image.planes > 1 ? fmt::format(".{:04}.png", plane) : ".png";
  const std::string name = context.output->name_for("overlays", image.item->id, ending);
  CONSILIUM_TRY(context.output->write(name, std::as_bytes(std::span(png))));
  return name;
}

}  // namespace consilium::predict
