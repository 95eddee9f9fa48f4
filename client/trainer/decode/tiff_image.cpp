#include "client/trainer/decode/tiff_image.h"

#include <spdlog/fmt/fmt.h>
#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include "client/trainer/decode/exif_orientation.h"
#include "client/trainer/decode/tiff_page.h"

namespace consilium::decode {

namespace {

constexpr tmsize_t kMaxSingleAllocation = tmsize_t{1} << 30;
constexpr std::uint32_t kMaxPages = 65535;

/// The file in memory, for libtiff, and the first error that libtiff reported.
struct Source {
  Bytes file;
  std::uint64_t position = 0;
  std::array<char, 200> message{};
};

Source* source_of(thandle_t handle) { return static_cast<Source*>(handle); }

tmsize_t read_bytes(thandle_t handle, void* target, tmsize_t count) {
  Source* source = source_of(handle);
  if (count < 0 || source->position >= source->file.size()) return 0;
  const auto size = std::min<std::uint64_t>(static_cast<std::uint64_t>(count), source->file.size() - source->position);
  std::memcpy(target, source->file.data() + source->position, size);
  source->position += size;
  return static_cast<tmsize_t>(size);
}

tmsize_t refuse_write(thandle_t /*handle*/, void* /*bytes*/, tmsize_t /*count*/) { return 0; }

toff_t seek(thandle_t handle, toff_t offset, int whence) {
  Source* source = source_of(handle);
  const std::uint64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? source->position : source->file.size();
  source->position = base + offset;
  return source->position;
}

int close_nothing(thandle_t /*handle*/) { return 0; }
toff_t size_of(thandle_t handle) { return source_of(handle)->file.size(); }

int note_error(TIFF* /*tiff*/, void* user, const char* /*module*/, const char* format, va_list arguments) {
  auto* source = static_cast<Source*>(user);
  if (source->message.front() == '\0')
    std::vsnprintf(source->message.data(), source->message.size(), format, arguments);
  return 1;
}

int ignore_warning(TIFF* /*tiff*/, void* /*user*/, const char* /*module*/, const char* /*format*/,
                   va_list /*arguments*/) {
  return 1;
}

struct TiffCloser {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using Tiff = std::unique_ptr<TIFF, TiffCloser>;

Tiff open(Source& source) {
  TIFFOpenOptions* options = TIFFOpenOptionsAlloc();
  if (options == nullptr) return nullptr;
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, kMaxSingleAllocation);
  TIFFOpenOptionsSetErrorHandlerExtR(options, note_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options, ignore_warning, &source);
  // "m": libtiff doesn't map the file, because it is already in memory.
  Tiff tiff(TIFFClientOpenExt("", "rm", &source, read_bytes, refuse_write, seek, close_nothing, size_of, nullptr,
                              nullptr, options));
  TIFFOpenOptionsFree(options);
  return tiff;
}

/// Returns the indices of the pages that are images of their own rather than small copies of others.
Result<std::vector<std::uint32_t>> pages_of(TIFF* tiff, const Source& source) {
  std::vector<std::uint32_t> pages;
  std::uint32_t number = 0;
  do {
    std::uint32_t kind = 0;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SUBFILETYPE, &kind);
    if ((kind & FILETYPE_REDUCEDIMAGE) == 0) pages.push_back(number);
    if (++number > kMaxPages) return fail(ErrorCode::kResourceExhausted, "TIFF: more than 65535 pages");
  } while (TIFFReadDirectory(tiff) == 1);
  if (TIFFLastDirectory(tiff) == 0 || source.message.front() != '\0') {
    return fail(ErrorCode::kInvalidArgument, fmt::format("TIFF: page {} is missing or broken", number + 1));
  }
  if (pages.empty()) return fail(ErrorCode::kInvalidArgument, "TIFF: no page with an image");
  return pages;
}

/// Scales grey to the full range and makes white the largest value. Not called for labels.
void normalise_grey(const TiffPage& page, data::Pixels& pixels) {
  const bool inverted = page.photometric == PHOTOMETRIC_MINISWHITE;
  if (auto* bytes = std::get_if<std::vector<std::uint8_t>>(&pixels)) {
    const unsigned most = (1U << page.bits) - 1U;
    for (auto& value : *bytes) value = static_cast<std::uint8_t>((inverted ? most - value : value) * (255U / most));
  } else if (auto* words = std::get_if<std::vector<std::uint16_t>>(&pixels); words != nullptr && inverted) {
    for (auto& value : *words) value = static_cast<std::uint16_t>(0xFFFF - value);
  }
}

/// Replaces the indices into a palette by their colours, with 8 bits each.
Result<data::Pixels> look_up(TIFF* tiff, const TiffPage& page, const data::Pixels& indices) {
  std::array<std::uint16_t*, 3> map{};
  const bool is_index = page.element == Element::kUint8 || page.element == Element::kUint16;
  if (!is_index || TIFFGetField(tiff, TIFFTAG_COLORMAP, &map[0], &map[1], &map[2]) != 1) {
    return fail(ErrorCode::kInvalidArgument, "TIFF: the palette has no colours");
  }
  std::vector<std::uint8_t> colours;
  std::visit(
      [&](const auto& values) {
        colours.reserve(3 * values.size());
        for (const std::uint16_t* channel : map) {
          for (const auto index : values) {
            colours.push_back(static_cast<std::uint8_t>(channel[static_cast<std::size_t>(index)] >> 8));
          }
        }
      },
      indices);
  return data::Pixels(std::move(colours));
}

Result<data::Pixels> read_page(TIFF* tiff, const TiffPage& page, const data::DecodeOptions& options) {
  CONSILIUM_ASSIGN(data::Pixels pixels, read_tiff_samples(tiff, page, options));
  if (options.labels) return pixels;
  if (page.photometric == PHOTOMETRIC_PALETTE) return look_up(tiff, page, pixels);
  if (page.photometric != PHOTOMETRIC_RGB) normalise_grey(page, pixels);
  return pixels;
}

/// Copies a page's channels to their position among those of all pages.
void insert(const data::Pixels& page, std::size_t slice, const std::vector<std::int64_t>& shape, data::Pixels& volume) {
  const auto channels = static_cast<std::size_t>(shape[0]);
  const auto slices = static_cast<std::size_t>(shape[1]);
  std::visit(
      [&](auto& values) {
        const auto& from = std::get<std::decay_t<decltype(values)>>(page);
        const std::size_t plane = from.size() / channels;
        for (std::size_t channel = 0; channel < channels; ++channel) {
          std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(channel * plane), plane,
                      values.begin() + static_cast<std::ptrdiff_t>((channel * slices + slice) * plane));
        }
      },
      volume);
}

Result<data::DecodedImage> decode(Source& source, const data::DecodeOptions& options) {
  const Tiff tiff = open(source);
  if (!tiff) return fail(ErrorCode::kInvalidArgument, "TIFF: the file's structure is broken");
  CONSILIUM_ASSIGN(const auto pages, pages_of(tiff.get(), source));
  TIFFSetDirectory(tiff.get(), static_cast<tdir_t>(pages.front()));
  CONSILIUM_ASSIGN(const TiffPage first, read_tiff_page(tiff.get()));
  const bool coloured = first.photometric == PHOTOMETRIC_PALETTE && !options.labels;
  const Element element = coloured ? Element::kUint8 : first.element;
  data::DecodedImage image;
  image.shape = {coloured ? 3 : first.channels, static_cast<std::int64_t>(pages.size()), first.height, first.width};
  CONSILIUM_ASSIGN(const std::size_t count, checked_count(image.shape, bytes_of(element), options));
  if (!options.header_only) {
    image.pixels = make_pixels(element, count);
    for (std::size_t slice = 0; slice < pages.size(); ++slice) {
      if (TIFFSetDirectory(tiff.get(), static_cast<tdir_t>(pages[slice])) != 1) {
        return fail(ErrorCode::kInvalidArgument, fmt::format("TIFF: page {} is broken", slice + 1));
      }
      CONSILIUM_ASSIGN(const TiffPage page, read_tiff_page(tiff.get()));
      if (page.width != first.width || page.height != first.height || page.channels != first.channels ||
          page.element != first.element || page.photometric != first.photometric) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("TIFF: page {} has another size or type than the first page", slice + 1));
      }
      CONSILIUM_ASSIGN(const data::Pixels pixels, read_page(tiff.get(), page, options));
      insert(pixels, slice, image.shape, image.pixels);
    }
  }
  if (pages.size() == 1) image.shape.erase(image.shape.begin() + 1);
  apply_orientation(first.orientation, image);
  return image;
}

}  // namespace

Result<data::DecodedImage> decode_tiff(Bytes file, const data::DecodeOptions& options) {
  Source source{file, 0, {}};
  auto image = decode(source, options);
  if (!image && source.message.front() != '\0') {
    return fail(image.error().code, fmt::format("{} (libtiff: {})", image.error().message, source.message.data()));
  }
  return image;
}

}  // namespace consilium::decode
