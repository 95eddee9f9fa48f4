#include "client/trainer/decode/jpeg_image.h"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>

// Included after <cstdio>, because they use FILE.
#include <jerror.h>
#include <jpeglib.h>

#include "client/trainer/decode/exif_orientation.h"
#include "client/trainer/decode/pixel_values.h"

namespace consilium::decode {

namespace {

constexpr int kExifMarker = JPEG_APP0 + 1;
constexpr unsigned kMaxMarkerBytes = 65533;

/// libjpeg's error handler. It leaves the library by longjmp, so no object with a destructor may be created between
/// setjmp() and the longjmp.
struct Failure {
  jpeg_error_mgr handler{};
  std::jmp_buf jump{};
  std::array<char, JMSG_LENGTH_MAX> message{};
};

[[noreturn]] void give_up(j_common_ptr common) {
  auto* failure = reinterpret_cast<Failure*>(common->err);
  common->err->format_message(common, failure->message.data());
  std::longjmp(failure->jump, 1);
}

/// Ignores warnings after which the picture is complete. All others mean missing or invalid data, which libjpeg would
/// fill with grey, so they are errors.
void judge_warning(j_common_ptr common, int level) {
  if (level >= 0) return;
  switch (common->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
      return;
    default:
      give_up(common);
  }
}

/// Owns libjpeg's state.
class Reader {
 public:
  Reader() {
    state_.err = jpeg_std_error(&failure_.handler);
    failure_.handler.error_exit = give_up;
    failure_.handler.emit_message = judge_warning;
  }
  ~Reader() { jpeg_destroy_decompress(&state_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// Reads everything before the pixels. Returns false on failure; error() gives the reason.
  bool begin(Bytes file);
  /// Reads the pixels, row by row, [H][W][C].
  bool read(std::uint8_t* pixels);

  [[nodiscard]] std::int64_t width() const { return state_.image_width; }
  [[nodiscard]] std::int64_t height() const { return state_.image_height; }
  [[nodiscard]] std::int64_t channels() const { return state_.num_components == 1 ? 1 : 3; }
  [[nodiscard]] bool is_print() const { return state_.num_components > 3; }
  [[nodiscard]] int orientation() const;
  [[nodiscard]] Error error() const {
    return {ErrorCode::kInvalidArgument, fmt::format("JPEG: {}", failure_.message.data())};
  }

 private:
  jpeg_decompress_struct state_{};
  Failure failure_;
};

bool Reader::begin(Bytes file) {
  if (setjmp(failure_.jump) != 0) return false;
  jpeg_create_decompress(&state_);
  jpeg_mem_src(&state_, file.data(), file.size());
  jpeg_save_markers(&state_, kExifMarker, kMaxMarkerBytes);
  jpeg_read_header(&state_, TRUE);
  if (state_.num_components == 3) state_.out_color_space = JCS_RGB;
  return true;
}

bool Reader::read(std::uint8_t* pixels) {
  if (setjmp(failure_.jump) != 0) return false;
  jpeg_start_decompress(&state_);
  const std::size_t row_bytes = std::size_t{state_.output_width} * static_cast<std::size_t>(state_.output_components);
  while (state_.output_scanline < state_.output_height) {
    JSAMPROW row = pixels + state_.output_scanline * row_bytes;
    jpeg_read_scanlines(&state_, &row, 1);
  }
  jpeg_finish_decompress(&state_);
  return true;
}

int Reader::orientation() const {
  constexpr std::size_t kNameBytes = 6;
  for (const jpeg_marker_struct* marker = state_.marker_list; marker != nullptr; marker = marker->next) {
    if (marker->marker != kExifMarker || marker->data_length < kNameBytes) continue;
    if (std::memcmp(marker->data, "Exif\0", kNameBytes) != 0) continue;
    return exif_orientation({marker->data + kNameBytes, marker->data_length - kNameBytes});
  }
  return 1;
}

}  // namespace

Result<data::DecodedImage> decode_jpeg(Bytes file, const data::DecodeOptions& options) {
  Reader reader;
  if (!reader.begin(file)) return fail(reader.error());
  if (reader.is_print()) {
    return fail(ErrorCode::kInvalidArgument, "JPEG: print colours (CMYK) can't be read; save the file as RGB or grey");
  }
  data::DecodedImage image;
  image.shape = {reader.channels(), reader.height(), reader.width()};
  CONSILIUM_ASSIGN(const std::size_t count, checked_count(image.shape, 1, options));
  const int orientation = reader.orientation();
  if (!options.header_only) {
    const auto channels = static_cast<std::size_t>(image.shape[0]);
    std::vector<std::uint8_t> interleaved(count);
    if (!reader.read(interleaved.data())) return fail(reader.error());
    std::vector<std::uint8_t> planes(count);
    for (std::size_t i = 0; i < count; ++i) planes[i % channels * (count / channels) + i / channels] = interleaved[i];
    image.pixels = std::move(planes);
  }
  apply_orientation(orientation, image);
  return image;
}

}  // namespace consilium::decode
