#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "client/trainer/data/picture.h"
#include "client/trainer/predict/results.h"
#include "common/error/error.h"

namespace consilium::predict {

/// A picture of an image with a prediction drawn in. Small images are enlarged so that text is legible.
class Overlay {
 public:
  /// @param image  of depth 1; if it doesn't have 1 or 3 channels, the first is shown
  explicit Overlay(data::Volume image);

  /// Draws the outlines of the classes above 0.
  /// @param classes  of the image's pixels
  void outline(const data::Mask& classes);
  /// Draws a box, given in the image's pixels, with text at its upper edge.
  void frame(const data::Box& box, std::string_view words);
  /// Writes a line of text below the previous one, starting at the upper left.
  void write_line(std::string_view words, const data::Colour& colour);

  [[nodiscard]] const data::Picture& picture() const { return picture_; }

 private:
  [[nodiscard]] data::Canvas canvas() {
    return {picture_, 0, 0, static_cast<std::int64_t>(picture_.width), static_cast<std::int64_t>(picture_.height)};
  }

  data::Sides before_;
  data::Sides after_;
  data::Picture picture_;
  std::int64_t next_line_ = 1;
};

/// Returns one of the planes that a preparation cuts an image into, as decoded. An image that isn't cut is returned as
/// it is; of a volume that isn't cut, the middle plane is returned.
[[nodiscard]] data::Volume plane_of(const Image& image, const data::Preparation& preparation, std::int64_t plane);

/// Writes overlays/NAME.png and returns its name below the output folder.
/// @param plane  appears in the name if the image has several planes; else 0
Result<std::string> write_overlay(const ResultContext& context, const Image& image, std::int64_t plane,
                                  const Overlay& overlay);

}  // namespace consilium::predict
