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

/// A picture of 8-bit colours.
struct Picture {
  std::size_t width = 0;
  std::size_t height = 0;
  std::vector<std::uint8_t> rgb;  ///< width x height x 3, row by row
};

using Colour = std::array<std::uint8_t, 3>;
inline constexpr Colour kWhite{255, 255, 255};
/// The colour that the n-th class is drawn in, from 0; they repeat after six.
[[nodiscard]] Colour colour_of(std::size_t index);

/// Rows of a letter, and the columns from one letter to the next, in pixels.
inline constexpr std::int64_t kTextHeight = 7;
inline constexpr std::int64_t kTextStep = 6;

/// A rectangle of a picture that is drawn into; what would lie beside it isn't drawn. The picture outlives it.
class Canvas {
 public:
  Canvas(Picture& picture, std::size_t left, std::size_t top, std::int64_t width, std::int64_t height)
      : picture_(picture), left_(left), top_(top), width_(width), height_(height) {}

  void put(std::int64_t row, std::int64_t column, const Colour& colour);
  /// Draws an image of one or three channels from the upper left, its values between their 1st and 99th hundredth
  /// stretched to black and white.
  void draw(const Volume& image);
  /// Draws the pixels whose right or lower neighbour has another class, in the colour of the class (class 1's is the
  /// first).
  void draw_outline(const Mask& mask);
  /// Draws the frame of a box, cut at the edges.
  void draw_frame(const Box& box, const Colour& colour);
  /// Writes text on black. Letters are capitals; what isn't a letter, a digit or one of " .,:;-_/%()+=<>?*" becomes
  /// "?".
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
/// Encodes classes as a PNG with a palette: its pixels are the classes, shown in their colours on black.
/// @param classes  width x height, row by row
Result<std::string> to_png(std::span<const std::uint8_t> classes, std::size_t width, std::size_t height);

}  // namespace consilium::data
