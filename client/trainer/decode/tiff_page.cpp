#include "client/trainer/decode/tiff_page.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstring>

namespace consilium::decode {

namespace {

tl::unexpected<Error> refuse_page(std::string what) {
  return fail(ErrorCode::kInvalidArgument, "TIFF: " + std::move(what));
}

template <class T>
T tag(TIFF* tiff, std::uint32_t name, T otherwise) {
  T value = otherwise;
  return TIFFGetFieldDefaulted(tiff, name, &value) == 1 ? value : otherwise;
}

Result<Element> element_of_samples(std::uint16_t format, std::uint16_t bits) {
  if (format == SAMPLEFORMAT_UINT || format == SAMPLEFORMAT_VOID) {
    if (bits == 1 || bits == 2 || bits == 4 || bits == 8) return Element::kUint8;
    if (bits == 16) return Element::kUint16;
  }
  if (format == SAMPLEFORMAT_INT && bits == 16) return Element::kInt16;
  if (format == SAMPLEFORMAT_INT && bits == 32) return Element::kInt32;
  if (format == SAMPLEFORMAT_IEEEFP && bits == 32) return Element::kFloat32;
  return refuse_page(
      fmt::format("samples of {} bits in format {} can't be read; expected unsigned ones of 1, 2, 4, 8 or 16 "
                  "bits, signed ones of 16 or 32, or float32",
                  bits, format));
}

Result<std::uint16_t> channels_of(const TiffPage& page) {
  switch (page.photometric) {
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_PALETTE:
      return std::uint16_t{1};
    case PHOTOMETRIC_RGB:
      if (page.samples >= 3) return std::uint16_t{3};
      return refuse_page(fmt::format("colours of {} samples", page.samples));
    default:
      return refuse_page(
          fmt::format("colours of kind {} can't be read; save the file as RGB or grey", page.photometric));
  }
}

/// Returns the `index`th sample of a row of packed samples. libtiff has already put wider samples into this machine's
/// byte order.
template <class T>
T sample_at(const std::uint8_t* row, std::size_t index, unsigned bits) {
  if (bits < 8) {
    const std::size_t first = index * bits;
    return static_cast<T>((row[first / 8] >> (8 - bits - first % 8)) & ((1U << bits) - 1U));
  }
  T value;
  std::memcpy(&value, row + index * sizeof(T), sizeof(T));
  return value;
}

/// The position of one decoded strip or tile.
struct Block {
  std::uint32_t column = 0;
  std::uint32_t row = 0;
  std::uint16_t sample = 0;  ///< of a planar page
};

template <class T>
void place(const TiffPage& page, const Block& block, const std::vector<std::uint8_t>& bytes, std::size_t row_bytes,
           std::vector<T>& values) {
  const std::uint32_t rows = std::min(page.block_height, page.height - block.row);
  const std::uint32_t columns = std::min(page.block_width, page.width - block.column);
  const std::size_t plane = std::size_t{page.width} * page.height;
  const std::size_t samples = page.planar ? 1 : page.samples;
  const std::size_t channels = page.planar ? 1 : page.channels;
  for (std::uint32_t row = 0; row < rows; ++row) {
    const std::uint8_t* source = bytes.data() + row * row_bytes;
    for (std::size_t channel = 0; channel < channels; ++channel) {
      T* target = values.data() + (page.planar ? block.sample : channel) * plane +
                  std::size_t{block.row + row} * page.width + block.column;
      for (std::uint32_t column = 0; column < columns; ++column) {
        target[column] = sample_at<T>(source, column * samples + channel, page.bits);
      }
    }
  }
}

Result<void> read_block(TIFF* tiff, const TiffPage& page, const Block& block, std::size_t row_bytes,
                        std::vector<std::uint8_t>& bytes) {
  std::fill(bytes.begin(), bytes.end(), std::uint8_t{0});
  const std::uint32_t rows = page.tiled ? page.block_height : std::min(page.block_height, page.height - block.row);
  const auto expected = static_cast<tmsize_t>(rows * row_bytes);
  tmsize_t count = 0;
  if (page.tiled) {
    count = TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, block.column, block.row, 0, block.sample), bytes.data(),
                                expected);
  } else {
    count = TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, block.row, block.sample), bytes.data(), expected);
  }
  if (count != expected) {
    return refuse_page(fmt::format("the samples from row {} on are missing or damaged", block.row));
  }
  return {};
}

}  // namespace

Result<TiffPage> read_tiff_page(TIFF* tiff) {
  TiffPage page;
  page.width = tag<std::uint32_t>(tiff, TIFFTAG_IMAGEWIDTH, 0);
  page.height = tag<std::uint32_t>(tiff, TIFFTAG_IMAGELENGTH, 0);
  if (page.width == 0 || page.height == 0) return refuse_page("it has no width or height");
  page.bits = tag<std::uint16_t>(tiff, TIFFTAG_BITSPERSAMPLE, 1);
  page.samples = tag<std::uint16_t>(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
  page.photometric = tag<std::uint16_t>(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
  page.orientation = tag<std::uint16_t>(tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
  page.planar =
      page.samples > 1 && tag<std::uint16_t>(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) == PLANARCONFIG_SEPARATE;
  if (page.photometric == PHOTOMETRIC_YCBCR &&
      tag<std::uint16_t>(tiff, TIFFTAG_COMPRESSION, COMPRESSION_NONE) == COMPRESSION_JPEG) {
    TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    page.photometric = PHOTOMETRIC_RGB;
  }
  CONSILIUM_ASSIGN(page.element,
                   element_of_samples(tag<std::uint16_t>(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT), page.bits));
  CONSILIUM_ASSIGN(page.channels, channels_of(page));
  page.tiled = TIFFIsTiled(tiff) != 0;
  page.block_width = page.tiled ? tag<std::uint32_t>(tiff, TIFFTAG_TILEWIDTH, 0) : page.width;
  page.block_height = page.tiled ? tag<std::uint32_t>(tiff, TIFFTAG_TILELENGTH, 0)
                                 : std::min(tag<std::uint32_t>(tiff, TIFFTAG_ROWSPERSTRIP, page.height), page.height);
  if (page.block_width == 0 || page.block_height == 0) return refuse_page("its tiles or strips have no size");
  return page;
}

Result<data::Pixels> read_tiff_samples(TIFF* tiff, const TiffPage& page, const data::DecodeOptions& options) {
  CONSILIUM_ASSIGN(const std::size_t count,
                   checked_count({page.channels, page.height, page.width}, bytes_of(page.element), options));
  const std::uint64_t row_bits = std::uint64_t{page.block_width} * (page.planar ? 1 : page.samples) * page.bits;
  const std::uint64_t row_bytes = (row_bits + 7) / 8;
  std::uint64_t block_bytes = 0;
  if (__builtin_mul_overflow(row_bytes, std::uint64_t{page.block_height}, &block_bytes) ||
      block_bytes > options.max_bytes) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("TIFF: a strip or tile takes more than the limit of {} bytes", options.max_bytes));
  }
  std::vector<std::uint8_t> bytes(block_bytes);
  data::Pixels pixels = make_pixels(page.element, count);
  Block block;
  for (block.sample = 0; block.sample < (page.planar ? page.channels : 1); ++block.sample) {
    for (block.row = 0; block.row < page.height;) {
      for (block.column = 0; block.column < page.width;) {
        CONSILIUM_TRY(read_block(tiff, page, block, row_bytes, bytes));
        std::visit([&](auto& values) { place(page, block, bytes, row_bytes, values); }, pixels);
        if (page.block_width >= page.width - block.column) break;
        block.column += page.block_width;
      }
      if (page.block_height >= page.height - block.row) break;
      block.row += page.block_height;
    }
  }
  return pixels;
}

}  // namespace consilium::decode
