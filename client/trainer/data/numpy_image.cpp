#include "client/trainer/data/numpy_image.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "client/trainer/data/array_reader.h"
#include "client/trainer/data/gzip_file.h"
#include "client/trainer/data/npy_header.h"
#include "client/trainer/data/zip_archive.h"

namespace consilium::data {
namespace {

/// An array that is opened up to its data, and the objects that must outlive it.
struct OpenImage {
  std::optional<ZipArchive> archive;
  std::unique_ptr<ByteSource> source;
  ArrayHeader header;
  std::uint64_t data_bytes = 0;
};

Result<OpenImage> open_image(const std::filesystem::path& file, std::uint64_t limit) {
  OpenImage image;
  std::uint64_t whole = 0, header_bytes = 0;
  if (file.extension() == ".npz") {
    CONSILIUM_ASSIGN(image.archive, ZipArchive::open(file));
    const auto names = image.archive->names();
    if (names.size() != 1) return refuse(fmt::format("holds {} arrays, expected one image", names.size()));
    CONSILIUM_ASSIGN(whole, image.archive->size_of(names[0]));
    CONSILIUM_ASSIGN(image.source, image.archive->open_entry(names[0]));
  } else {
    CONSILIUM_ASSIGN(image.source, open_plain_or_gzip(file, whole));
  }
  CONSILIUM_ASSIGN(image.header, read_npy_header(*image.source, header_bytes));
  CONSILIUM_ASSIGN(image.data_bytes, data_bytes(image.header, limit));
  if (header_bytes + image.data_bytes > whole)
    return refuse(fmt::format("its header declares {} bytes of data, but the file has {}", image.data_bytes,
                              whole < header_bytes ? 0 : whole - header_bytes));
  return image;
}

/// Returns [C, H, W] or [C, D, H, W] for an array of this shape, and whether its channels come last.
Result<std::pair<std::vector<std::int64_t>, bool>> layout_of(const std::vector<std::uint64_t>& array) {
  constexpr std::uint64_t most = std::uint64_t{1} << 20;
  std::vector<std::int64_t> sides;
  for (const std::uint64_t side : array) {
    if (side < 1 || side > most) return refuse(fmt::format("found a side of {} pixels, expected 1 to {}", side, most));
    sides.push_back(static_cast<std::int64_t>(side));
  }
  const bool colour = !sides.empty() && (sides.back() == 1 || sides.back() == 3 || sides.back() == 4);
  if (sides.size() == 2) return std::pair{std::vector{std::int64_t{1}, sides[0], sides[1]}, false};
  if (sides.size() == 3 && colour) return std::pair{std::vector{sides[2], sides[0], sides[1]}, true};
  if (sides.size() == 3) return std::pair{std::vector{std::int64_t{1}, sides[0], sides[1], sides[2]}, false};
  if (sides.size() == 4) return std::pair{std::vector{sides[3], sides[0], sides[1], sides[2]}, true};
  return refuse(fmt::format("has {} dimensions, expected 2 to 4", sides.size()));
}

template <class Stored, class Kept>
Result<Pixels> read_as(OpenImage& image) {
  std::vector<Stored> stored(image.data_bytes / sizeof(Stored));
  CONSILIUM_TRY(image.source->read(std::as_writable_bytes(std::span(stored))));
  CONSILIUM_TRY(image.source->expect_end());
  if constexpr (std::is_same_v<Stored, Kept>) {
    return Pixels(std::move(stored));
  } else {
    std::vector<Kept> kept(stored.size());
    for (std::size_t i = 0; i < stored.size(); ++i) {
      if constexpr (std::is_integral_v<Kept>) {
        if (!std::in_range<Kept>(stored[i]))
          return refuse(fmt::format("found a value of {}, which doesn't fit into 32 bits", stored[i]));
      }
      kept[i] = static_cast<Kept>(stored[i]);
    }
    return Pixels(std::move(kept));
  }
}

Result<Pixels> read_pixels(OpenImage& image) {
  switch (image.header.type) {
    case ElementType::kUint8:
      return read_as<std::uint8_t, std::uint8_t>(image);
    case ElementType::kInt8:
      return read_as<std::int8_t, std::int16_t>(image);
    case ElementType::kUint16:
      return read_as<std::uint16_t, std::uint16_t>(image);
    case ElementType::kInt16:
      return read_as<std::int16_t, std::int16_t>(image);
    case ElementType::kUint32:
      return read_as<std::uint32_t, std::int32_t>(image);
    case ElementType::kInt32:
      return read_as<std::int32_t, std::int32_t>(image);
    case ElementType::kUint64:
      return read_as<std::uint64_t, std::int32_t>(image);
    case ElementType::kInt64:
      return read_as<std::int64_t, std::int32_t>(image);
    case ElementType::kFloat32:
      return read_as<float, float>(image);
    case ElementType::kFloat64:
      return read_as<double, float>(image);
  }
  return refuse("its elements have an unknown type");
}

Result<DecodedImage> decode(const std::filesystem::path& file, const DecodeOptions& options) {
  CONSILIUM_ASSIGN(OpenImage image, open_image(file, options.max_bytes));
  DecodedImage decoded;
  CONSILIUM_ASSIGN(const auto layout, layout_of(image.header.shape));
  decoded.shape = layout.first;
  if (options.header_only) return decoded;
  CONSILIUM_ASSIGN(decoded.pixels, read_pixels(image));
  if (const auto* floats = std::get_if<std::vector<float>>(&decoded.pixels)) {
    if (!std::all_of(floats->begin(), floats->end(), [](float v) { return std::isfinite(v); }))
      return refuse("holds NaN or infinity, expected finite values");
  }
  if (layout.second) channels_first(decoded.pixels, static_cast<std::size_t>(decoded.shape[0]));
  return decoded;
}

}  // namespace

bool is_numpy(const std::filesystem::path& file) { return file.extension() == ".npy" || file.extension() == ".npz"; }

void channels_first(Pixels& pixels, std::size_t channels) {
  if (channels == 1) return;
  std::visit(
      [&](auto& values) {
        auto turned = values;
        const std::size_t places = values.size() / channels;
        for (std::size_t place = 0; place < places; ++place)
          for (std::size_t channel = 0; channel < channels; ++channel)
            turned[channel * places + place] = values[place * channels + channel];
        values = std::move(turned);
      },
      pixels);
}

Result<DecodedImage> decode_numpy(const std::filesystem::path& file, const DecodeOptions& options) {
  auto decoded = decode(file, options);
  if (!decoded) return fail(decoded.error().within(file.string()));
  return decoded;
}

}  // namespace consilium::data
