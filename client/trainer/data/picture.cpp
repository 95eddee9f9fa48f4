#include "client/trainer/data/picture.h"

#include <zlib.h>

#include <algorithm>

namespace consilium::data {
namespace {

constexpr std::array<Colour, 6> kColours{
    {{255, 64, 64}, {64, 220, 64}, {80, 140, 255}, {255, 200, 0}, {255, 80, 255}, {0, 220, 220}}};
constexpr Colour kBlack{0, 0, 0};
constexpr std::int64_t kLetterWidth = 5;

/// A letter of 5 x 7 pixels. Each row is a five-bit number whose highest bit is the left pixel.
struct Letter {
  char letter;
  std::array<std::uint8_t, kTextHeight> rows;
};
// clang-format off
constexpr std::array kLetters{
    Letter{' ', {0, 0, 0, 0, 0, 0, 0}},
    Letter{'%', {24, 25, 2, 4, 8, 19, 3}},
    Letter{'(', {2, 4, 8, 8, 8, 4, 2}},
    Letter{')', {8, 4, 2, 2, 2, 4, 8}},
    Letter{'*', {0, 4, 21, 14, 21, 4, 0}},
    Letter{'+', {0, 4, 4, 31, 4, 4, 0}},
    Letter{',', {0, 0, 0, 0, 12, 4, 8}},
    Letter{'-', {0, 0, 0, 31, 0, 0, 0}},
    Letter{'.', {0, 0, 0, 0, 0, 12, 12}},
    Letter{'/', {0, 1, 2, 4, 8, 16, 0}},
    Letter{'0', {14, 17, 19, 21, 25, 17, 14}},
    Letter{'1', {4, 12, 4, 4, 4, 4, 14}},
    Letter{'2', {14, 17, 1, 2, 4, 8, 31}},
    Letter{'3', {31, 2, 4, 2, 1, 17, 14}},
    Letter{'4', {2, 6, 10, 18, 31, 2, 2}},
    Letter{'5', {31, 16, 30, 1, 1, 17, 14}},
    Letter{'6', {6, 8, 16, 30, 17, 17, 14}},
    Letter{'7', {31, 1, 2, 4, 8, 8, 8}},
    Letter{'8', {14, 17, 17, 14, 17, 17, 14}},
    Letter{'9', {14, 17, 17, 15, 1, 2, 12}},
    Letter{':', {0, 12, 12, 0, 12, 12, 0}},
    Letter{';', {0, 12, 12, 0, 12, 4, 8}},
    Letter{'<', {2, 4, 8, 16, 8, 4, 2}},
    Letter{'=', {0, 0, 31, 0, 31, 0, 0}},
    Letter{'>', {8, 4, 2, 1, 2, 4, 8}},
    Letter{'?', {14, 17, 1, 2, 4, 0, 4}},
    Letter{'A', {14, 17, 17, 31, 17, 17, 17}},
    Letter{'B', {30, 17, 17, 30, 17, 17, 30}},
    Letter{'C', {14, 17, 16, 16, 16, 17, 14}},
    Letter{'D', {28, 18, 17, 17, 17, 18, 28}},
    Letter{'E', {31, 16, 16, 30, 16, 16, 31}},
    Letter{'F', {31, 16, 16, 30, 16, 16, 16}},
    Letter{'G', {14, 17, 16, 23, 17, 17, 15}},
    Letter{'H', {17, 17, 17, 31, 17, 17, 17}},
    Letter{'I', {14, 4, 4, 4, 4, 4, 14}},
    Letter{'J', {7, 2, 2, 2, 2, 18, 12}},
    Letter{'K', {17, 18, 20, 24, 20, 18, 17}},
    Letter{'L', {16, 16, 16, 16, 16, 16, 31}},
    Letter{'M', {17, 27, 21, 21, 17, 17, 17}},
    Letter{'N', {17, 17, 25, 21, 19, 17, 17}},
    Letter{'O', {14, 17, 17, 17, 17, 17, 14}},
    Letter{'P', {30, 17, 17, 30, 16, 16, 16}},
    Letter{'Q', {14, 17, 17, 17, 21, 18, 13}},
    Letter{'R', {30, 17, 17, 30, 20, 18, 17}},
    Letter{'S', {15, 16, 16, 14, 1, 1, 30}},
    Letter{'T', {31, 4, 4, 4, 4, 4, 4}},
    Letter{'U', {17, 17, 17, 17, 17, 17, 14}},
    Letter{'V', {17, 17, 17, 17, 17, 10, 4}},
    Letter{'W', {17, 17, 17, 21, 21, 27, 17}},
    Letter{'X', {17, 17, 10, 4, 10, 17, 17}},
    Letter{'Y', {17, 17, 17, 10, 4, 4, 4}},
    Letter{'Z', {31, 1, 2, 4, 8, 16, 31}},
    Letter{'_', {0, 0, 0, 0, 0, 0, 31}},
};
// clang-format on

const Letter& letter_of(char c) {
  const char capital = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  const auto find = [](char wanted) {
    return std::ranges::find_if(kLetters, [=](const Letter& one) { return one.letter == wanted; });
  };
  const auto found = find(capital);
  return found == kLetters.end() ? *find('?') : *found;
}

void append(std::string& to, std::size_t value) {
  for (const int shift : {24, 16, 8, 0}) to.push_back(static_cast<char>(value >> shift & 0xFF));
}

void add_chunk(std::string& png, const char* type, const std::string& data) {
  append(png, data.size());
  const std::string checked = type + data;
  png += checked;
  append(png, crc32(0, reinterpret_cast<const Bytef*>(checked.data()), static_cast<uInt>(checked.size())));
}

/// Encodes rows of samples.
/// @param kind     PNG's colour type
/// @param palette  the content of a PLTE chunk, or empty
Result<std::string> encode_png(std::string_view samples, std::size_t width, std::size_t height, char kind,
                               const std::string& palette) {
  const std::size_t row_bytes = height == 0 ? 0 : samples.size() / height;
  std::string rows;
  for (std::size_t row = 0; row < height; ++row) {
    rows.push_back('\0');  // no filter
    rows.append(samples.substr(row * row_bytes, row_bytes));
  }
  uLongf size = compressBound(static_cast<uLong>(rows.size()));
  std::string packed(size, '\0');
  if (compress2(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(rows.data()),
                static_cast<uLong>(rows.size()), Z_BEST_SPEED) != Z_OK)
    return fail(ErrorCode::kInternal, "the picture can't be compressed");
  packed.resize(size);
  std::string header;
  append(header, width);
  append(header, height);
  header += {'\x08', kind, '\0', '\0', '\0'};  // 8 bits, no interlace
  std::string png("\x89PNG\r\n\x1a\n", 8);
  add_chunk(png, "IHDR", header);
  if (!palette.empty()) add_chunk(png, "PLTE", palette);
  add_chunk(png, "IDAT", packed);
  add_chunk(png, "IEND", "");
  return png;
}

}  // namespace

Colour colour_of(std::size_t index) { return kColours[index % kColours.size()]; }

void Canvas::put(std::int64_t row, std::int64_t column, const Colour& colour) {
  if (row < 0 || column < 0 || row >= height_ || column >= width_) return;
  std::uint8_t* const to =
      picture_.rgb.data() +
      ((top_ + static_cast<std::size_t>(row)) * picture_.width + left_ + static_cast<std::size_t>(column)) * 3;
  std::copy(colour.begin(), colour.end(), to);
}

void Canvas::draw(const Volume& image) {
  if (image.values.empty()) return;
  std::vector<float> sorted = image.values;
  std::sort(sorted.begin(), sorted.end());
  const float low = sorted[sorted.size() / 100], high = sorted[sorted.size() - 1 - sorted.size() / 100];
  const float width = high > low ? high - low : 1.0F;
  for (std::int64_t h = 0; h < image.sides[1]; ++h) {
    for (std::int64_t w = 0; w < image.sides[2]; ++w) {
      Colour colour{};
      for (std::size_t c = 0; c < 3; ++c) {
        const std::size_t channel = image.channels == 3 ? c : 0;
        const float value = image.values[channel * image.plane() + static_cast<std::size_t>(h * image.sides[2] + w)];
        colour[c] = static_cast<std::uint8_t>(std::clamp((value - low) / width, 0.0F, 1.0F) * 255.0F);
      }
      put(h, w, colour);
    }
  }
}

void Canvas::draw_outline(const Mask& mask) {
  const Sides sides = sides_of(mask);
  const auto at = [&](std::int64_t h, std::int64_t w) {
    return h < sides[1] && w < sides[2] ? mask.classes[static_cast<std::size_t>(h * sides[2] + w)] : std::uint8_t{0};
  };
  for (std::int64_t h = 0; h < sides[1]; ++h) {
    for (std::int64_t w = 0; w < sides[2]; ++w) {
      const std::uint8_t own = at(h, w), other = std::max(at(h + 1, w), at(h, w + 1));
      if (own == at(h + 1, w) && own == at(h, w + 1)) continue;
      put(h, w, colour_of(static_cast<std::size_t>(std::max(own, other) - 1)));
    }
  }
}

void Canvas::draw_frame(const Box& box, const Colour& colour) {
  const auto inside = [](float edge, std::int64_t side) {
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(std::clamp(edge, -1e6F, 1e6F)), 0, side - 1);
  };
  const std::int64_t left = inside(box.left, width_), right = inside(box.right, width_), top = inside(box.top, height_),
                     bottom = inside(box.bottom, height_);
  for (std::int64_t w = left; w <= right; ++w) {
    put(top, w, colour);
    put(bottom, w, colour);
  }
  for (std::int64_t h = top; h <= bottom; ++h) {
    put(h, left, colour);
    put(h, right, colour);
  }
}

void Canvas::write(std::int64_t row, std::int64_t column, std::string_view text, const Colour& colour) {
  for (const char c : text) {
    const Letter& letter = letter_of(c);
    for (std::int64_t h = -1; h <= kTextHeight; ++h) {
      for (std::int64_t w = -1; w <= kLetterWidth; ++w) {
        const bool within = h >= 0 && h < kTextHeight && w >= 0 && w < kLetterWidth;
        const bool set = within && (letter.rows[static_cast<std::size_t>(h)] >> (kLetterWidth - 1 - w) & 1) != 0;
        put(row + h, column + w, set ? colour : kBlack);
      }
    }
    column += kTextStep;
  }
}

Result<std::string> to_png(const Picture& picture) {
  constexpr char kRgb = 2;
  return encode_png({reinterpret_cast<const char*>(picture.rgb.data()), picture.rgb.size()}, picture.width,
                    picture.height, kRgb, {});
}

Result<std::string> to_png(std::span<const std::uint8_t> classes, std::size_t width, std::size_t height) {
  constexpr char kPalette = 3;
  constexpr std::size_t kPaletteSize = 256;
  std::string palette(3, '\0');
  for (std::size_t i = 1; i < kPaletteSize; ++i) {
    for (const std::uint8_t part : colour_of(i - 1)) palette.push_back(static_cast<char>(part));
  }
  return encode_png({reinterpret_cast<const char*>(classes.data()), classes.size()}, width, height, kPalette, palette);
}

}  // namespace consilium::data
