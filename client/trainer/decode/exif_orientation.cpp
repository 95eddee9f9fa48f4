#include "client/trainer/decode/exif_orientation.h"

#include <utility>

namespace consilium::decode {

namespace {

constexpr std::uint32_t kOrientationTag = 0x0112;
constexpr std::uint32_t kShortType = 3;
constexpr std::size_t kEntryBytes = 12;

/// Reads numbers of a TIFF structure; those beyond its end are 0.
struct TiffReader {
  Bytes bytes;
  bool big_endian = false;

  [[nodiscard]] std::uint32_t number(std::size_t offset, std::size_t size) const {
    if (offset > bytes.size() || size > bytes.size() - offset) return 0;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t place = big_endian ? size - 1 - i : i;
      value |= static_cast<std::uint32_t>(bytes[offset + i]) << (8 * place);
    }
    return value;
  }
};

template <class T>
void turn(const std::vector<T>& from, std::vector<T>& to, std::size_t height, std::size_t width, int orientation) {
  const bool transposed = orientation >= 5;
  const bool mirrored = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool upside_down = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  // The rows and columns of the result. If the image is transposed, they are the file's columns and rows.
  const std::size_t rows = transposed ? width : height;
  const std::size_t columns = transposed ? height : width;
  for (std::size_t plane = 0; plane < from.size(); plane += height * width) {
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t column = 0; column < columns; ++column) {
        std::size_t source_row = transposed ? column : row;
        std::size_t source_column = transposed ? row : column;
        if (upside_down) source_row = height - 1 - source_row;
        if (mirrored) source_column = width - 1 - source_column;
        to[plane + row * columns + column] = from[plane + source_row * width + source_column];
      }
    }
  }
}

}  // namespace

int exif_orientation(Bytes exif) {
  TiffReader reader{exif};
  if (exif.size() < 8 || exif[0] != exif[1] || (exif[0] != 'I' && exif[0] != 'M')) return 1;
  reader.big_endian = exif[0] == 'M';
  const std::size_t directory = reader.number(4, 4);
  const std::uint32_t entries = reader.number(directory, 2);
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * kEntryBytes;
    if (reader.number(entry, 2) != kOrientationTag || reader.number(entry + 2, 2) != kShortType) continue;
    const std::uint32_t value = reader.number(entry + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

void apply_orientation(int orientation, data::DecodedImage& image) {
  if (orientation < 2 || orientation > 8) return;
  std::int64_t& rows = image.shape[image.shape.size() - 2];
  std::int64_t& columns = image.shape.back();
  std::visit(
      [&](auto& values) {
        std::decay_t<decltype(values)> turned(values.size());
        turn(values, turned, static_cast<std::size_t>(rows), static_cast<std::size_t>(columns), orientation);
        values = std::move(turned);
      },
      image.pixels);
  if (orientation >= 5) {
    std::swap(rows, columns);
    std::swap(image.spacing[1], image.spacing[2]);
  }
}

}  // namespace consilium::decode
