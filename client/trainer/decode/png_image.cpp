#include "client/trainer/decode/png_image.h"

#include <png.h>
#include <spdlog/fmt/fmt.h>

#include <bit>
#include <csetjmp>
#include <cstring>

#include "client/trainer/decode/exif_orientation.h"
#include "client/trainer/decode/pixel_values.h"

namespace consilium::decode {

namespace {

/// The data for libpng's callbacks: the bytes left, and room for its last message. libpng leaves its functions by
/// longjmp, so no object with a destructor may be created between setjmp() and the longjmp.
struct Source {
  Bytes left;
  std::array<char, 200> message{};
};

void read_bytes(png_structp png, png_bytep target, std::size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (count > source->left.size()) png_error(png, "the file is cut off");
  std::memcpy(target, source->left.data(), count);
  source->left = source->left.subspan(count);
}

[[noreturn]] void note_error(png_structp png, png_const_charp message) {
  auto* source = static_cast<Source*>(png_get_error_ptr(png));
  std::strncpy(source->message.data(), message, source->message.size() - 1);
  png_longjmp(png, 1);
}

void ignore_warning(png_structp /*png*/, png_const_charp /*message*/) {}

/// Owns libpng's state.
class Reader {
 public:
  explicit Reader(Bytes file) : source_{file, {}} {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source_, note_error, ignore_warning);
    if (png_ == nullptr) return;
    info_ = png_create_info_struct(png_);
    png_set_read_fn(png_, &source_, read_bytes);
  }
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  [[nodiscard]] bool ready() const { return png_ != nullptr && info_ != nullptr; }
  /// Reads everything before the pixels. Returns false on failure; error() gives the reason.
  bool begin();
  /// Sets the format of the pixels, and allocates memory for a row of them.
  bool prepare(bool labels);
  /// Reads the pixels and what follows them.
  bool read(std::uint8_t** rows);

  [[nodiscard]] std::int64_t width() const { return png_get_image_width(png_, info_); }
  [[nodiscard]] std::int64_t height() const { return png_get_image_height(png_, info_); }
  [[nodiscard]] std::int64_t channels() const { return png_get_channels(png_, info_); }
  [[nodiscard]] bool is_16_bit() const { return png_get_bit_depth(png_, info_) == 16; }
  [[nodiscard]] std::size_t row_bytes() const { return png_get_rowbytes(png_, info_); }
  [[nodiscard]] int orientation() const;
  [[nodiscard]] Error error() const {
    return {ErrorCode::kInvalidArgument, fmt::format("PNG: {}", source_.message.data())};
  }

 private:
  Source source_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

bool Reader::begin() {
  if (setjmp(png_jmpbuf(png_)) != 0) return false;
  png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);
  png_read_info(png_, info_);
  return true;
}

bool Reader::prepare(bool labels) {
  if (setjmp(png_jmpbuf(png_)) != 0) return false;
  const bool palette = png_get_color_type(png_, info_) == PNG_COLOR_TYPE_PALETTE;
  if (palette && !labels) {
    png_set_palette_to_rgb(png_);
  } else if (png_get_bit_depth(png_, info_) < 8) {
    if (labels) {
      png_set_packing(png_);
    } else {
      png_set_expand_gray_1_2_4_to_8(png_);
    }
  }
  png_set_strip_alpha(png_);
  if (std::endian::native == std::endian::little) png_set_swap(png_);
  png_set_interlace_handling(png_);
  png_read_update_info(png_, info_);
  return true;
}

bool Reader::read(std::uint8_t** rows) {
  if (setjmp(png_jmpbuf(png_)) != 0) return false;
  png_read_image(png_, rows);
  png_read_end(png_, nullptr);
  return true;
}

int Reader::orientation() const {
  png_bytep exif = nullptr;
  png_uint_32 count = 0;
  if (png_get_eXIf_1(png_, info_, &count, &exif) == 0 || exif == nullptr) return 1;
  return exif_orientation({exif, count});
}

/// Separates the samples of each pixel: [H][W][C] becomes [C][H][W].
template <class T>
void take_apart(const std::vector<std::uint8_t>& interleaved, std::size_t channels, std::vector<T>& planes) {
  const std::size_t count = planes.size() / channels;
  for (std::size_t channel = 0; channel < channels; ++channel) {
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(&planes[channel * count + i], interleaved.data() + (i * channels + channel) * sizeof(T), sizeof(T));
    }
  }
}

}  // namespace

Result<data::DecodedImage> decode_png(Bytes file, const data::DecodeOptions& options) {
  Reader reader(file);
  if (!reader.ready()) return fail(ErrorCode::kResourceExhausted, "libpng has no memory");
  if (!reader.begin()) return fail(reader.error());
  CONSILIUM_TRY(checked_count({1, reader.height(), reader.width()}, 1, options));
  if (!reader.prepare(options.labels)) return fail(reader.error());
  data::DecodedImage image;
  image.shape = {reader.channels(), reader.height(), reader.width()};
  const Element element = reader.is_16_bit() ? Element::kUint16 : Element::kUint8;
  CONSILIUM_ASSIGN(const std::size_t count, checked_count(image.shape, bytes_of(element), options));
  const int orientation = reader.orientation();
  if (!options.header_only) {
    std::vector<std::uint8_t> interleaved(count * bytes_of(element));
    std::vector<std::uint8_t*> rows(static_cast<std::size_t>(image.shape[1]));
    const std::size_t row_bytes = reader.row_bytes();
    if (row_bytes * rows.size() != interleaved.size()) {
      return fail(ErrorCode::kInternal, "PNG: the size of libpng's rows doesn't match their pixels");
    }
    for (std::size_t row = 0; row < rows.size(); ++row) rows[row] = interleaved.data() + row * row_bytes;
    if (!reader.read(rows.data())) return fail(reader.error());
    image.pixels = make_pixels(element, count);
    const auto channels = static_cast<std::size_t>(image.shape[0]);
    std::visit([&](auto& values) { take_apart(interleaved, channels, values); }, image.pixels);
  }
  apply_orientation(orientation, image);
  return image;
}

}  // namespace consilium::decode
