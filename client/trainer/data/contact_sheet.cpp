#include "client/trainer/data/contact_sheet.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "client/trainer/data/resample.h"
#include "client/trainer/data/volume.h"

namespace consilium::data {
namespace {

constexpr std::int64_t kSide = 128;
constexpr std::size_t kGap = 4;
constexpr std::size_t kMostColumns = 8;
using Colour = std::array<std::uint8_t, 3>;
constexpr std::array<Colour, 6> kColours{
    {{255, 64, 64}, {64, 220, 64}, {80, 140, 255}, {255, 200, 0}, {255, 80, 255}, {0, 220, 220}}};

/// An item as a thumbnail is made of it.
struct Shown {
  Volume image;
  std::optional<Mask> mask;
  std::optional<Boxes> boxes;
};

/// The plane along D that has most foreground, or the middle one.
std::int64_t best_plane(const Sides& sides, const std::optional<Mask>& mask) {
  std::int64_t best = sides[0] / 2;
  std::int64_t most = 0;
  const auto plane = sides[1] * sides[2];
  for (std::int64_t d = 0; d < sides[0] && mask; ++d) {
    const auto begin = mask->classes.begin() + d * plane;
    const std::int64_t count = plane - std::count(begin, begin + plane, 0);
    if (count > most) {
      most = count;
      best = d;
    }
  }
  return best;
}

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
  const std::int64_t plane = best_plane(shown.image.sides, shown.mask);
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
    shown.image = resize(shown.image, after);
    left_ = kGap + index % columns_ * (kSide + kGap);
    top_ = kGap + index / columns_ * (kSide + kGap);
    draw_image(shown.image);
    if (shown.mask) draw_outline(resize(*shown.mask, after));
    if (shown.boxes) {
      resize(*shown.boxes, before, after);
      for (const Box& box : shown.boxes->boxes) draw_box(box, after);
    }
  }

  Picture take() { return std::move(picture_); }

 private:
  void put(std::int64_t h, std::int64_t w, const Colour& colour) {
    if (h < 0 || w < 0 || h >= kSide || w >= kSide) return;
    std::uint8_t* const to =
        picture_.rgb.data() +
        ((top_ + static_cast<std::size_t>(h)) * picture_.width + left_ + static_cast<std::size_t>(w)) * 3;
    std::copy(colour.begin(), colour.end(), to);
  }

  /// Stretches the values between their 1st and 99th hundredth to black and white.
  void draw_image(const Volume& image) {
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

  /// Draws the pixels whose right or lower neighbour has another class.
  void draw_outline(const Mask& mask) {
    const Sides sides = sides_of(mask);
    const auto at = [&](std::int64_t h, std::int64_t w) {
      return h < sides[1] && w < sides[2] ? mask.classes[static_cast<std::size_t>(h * sides[2] + w)] : std::uint8_t{0};
    };
    for (std::int64_t h = 0; h < sides[1]; ++h) {
      for (std::int64_t w = 0; w < sides[2]; ++w) {
        const std::uint8_t own = at(h, w), other = std::max(at(h + 1, w), at(h, w + 1));
        if (own == at(h + 1, w) && own == at(h, w + 1)) continue;
        const std::uint8_t shown = std::max(own, other);
        put(h, w, kColours[static_cast<std::size_t>(shown - 1) % kColours.size()]);
      }
    }
  }

  void draw_box(const Box& box, const Sides& sides) {
    const Colour& colour = kColours[box.label % kColours.size()];
    const auto inside = [](float edge, std::int64_t side) {
      return std::clamp<std::int64_t>(static_cast<std::int64_t>(std::clamp(edge, -1e6F, 1e6F)), 0, side - 1);
    };
    const std::int64_t left = inside(box.left, sides[2]), right = inside(box.right, sides[2]),
                       top = inside(box.top, sides[1]), bottom = inside(box.bottom, sides[1]);
    for (std::int64_t w = left; w <= right; ++w) {
      put(top, w, colour);
      put(bottom, w, colour);
    }
    for (std::int64_t h = top; h <= bottom; ++h) {
      put(h, left, colour);
      put(h, right, colour);
    }
  }

  std::size_t columns_;
  Picture picture_;
  std::size_t left_ = 0;
  std::size_t top_ = 0;
};

void append(std::string& to, std::size_t value) {
  for (const int shift : {24, 16, 8, 0}) to.push_back(static_cast<char>(value >> shift & 0xFF));
}

void add_chunk(std::string& png, const char* type, const std::string& data) {
  append(png, data.size());
  const std::string checked = type + data;
  png += checked;
  append(png, crc32(0, reinterpret_cast<const Bytef*>(checked.data()), static_cast<uInt>(checked.size())));
}

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

Result<std::string> to_png(const Picture& picture) {
  std::string rows;
  for (std::size_t row = 0; row < picture.height; ++row) {
    rows.push_back('\0');  // no filter
    rows.append(reinterpret_cast<const char*>(picture.rgb.data()) + row * picture.width * 3, picture.width * 3);
  }
  uLongf size = compressBound(static_cast<uLong>(rows.size()));
  std::string packed(size, '\0');
  if (compress2(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(rows.data()),
                static_cast<uLong>(rows.size()), Z_BEST_SPEED) != Z_OK)
    return fail(ErrorCode::kInternal, "the picture can't be compressed");
  packed.resize(size);
  std::string header;
  append(header, picture.width);
  append(header, picture.height);
  header += std::string("\x08\x02\x00\x00\x00", 5);  // 8 bits, RGB, no interlace
  std::string png("\x89PNG\r\n\x1a\n", 8);
  add_chunk(png, "IHDR", header);
  add_chunk(png, "IDAT", packed);
  add_chunk(png, "IEND", "");
  return png;
}

}  // namespace consilium::data
