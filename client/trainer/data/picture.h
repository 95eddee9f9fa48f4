#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/trainer/data/target.h"
#include "client/trainer/data/volume.h"
#include "common/error/error.h"

namespace consilium::data {

/// A picture with 8-bit colours.
struct Picture {
  std::size_t width = 0;
  std::size_t height = 0;
  std::vector<std::uint8_t> rgb;  ///< width x height x 3, row by row
};

using Colour = std::array<std::uint8_t, 3>;
inline constexpr Colour kWhite{255, 255, 255};
/// Returns the colour of the n-th class, counted from 0. Colours repeat after six classes.
[[nodiscard]] Colour colour_of(std::size_t index);

/// The height of a letter, and the distance from one letter to the next, in pixels.
inline constexpr std::int64_t kTextHeight = 7;
inline constexpr std::int64_t kTextStep = 6;

/// A rectangle of a picture to draw in. Whatever would fall outside it isn't drawn. The picture must outlive the
/// canvas.
class Canvas {
 public:
  Canvas(Picture& picture, std::size_t left, std::size_t top, std::int64_t width, std::int64_t height)
      : picture_(picture), left_(left), top_(top), width_(width), height_(height) {}

  void put(std::int64_t row, std::int64_t column, const Colour& colour);
  /// Draws an image of one or three channels, starting at the upper left. The range from the 1st to the 99th percentile
  /// of its values is stretched to black and white.
  void draw(const Volume& image);
  /// Draws the pixels whose right or lower neighbour has another class, in the colour of their class (class 1 has the
  /// first colour).
  void draw_outline(const Mask& mask);
  /// Draws the outline of a box, clipped to the canvas.
  void draw_frame(const Box& box, const Colour& colour);
  /// Writes text on a black background. Letters become capitals. The characters " .,:;-_/%()+=<>?*" and digits are
  /// written as they are, and all others become "?".
  void write(std::int64_t row, std::int64_t column, std::string_view text, const Colour& colour);

 private:
  Picture& picture_;
  std::size_t left_;
  std::size_t top_;
  std::int64_t width_;
  std::int64_t height_;
};

/// Encodes a picture as PNG.
Result<std::string> to_png(const Picture& picture);
/// Encodes classes as a PNG with a palette: its pixels are the classes, shown in the classes' colours on black.
/// @param classes  width x height, row by row
Result<std::string> to_png(std::span<const std::uint8_t> classes, std::size_t width, std::size_t height);

}  // namespace consilium::data
