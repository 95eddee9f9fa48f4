#include "client/trainer/decode/decode_file.h"

#include <algorithm>
#include <exception>
#include <new>
#include <string>
#include <string_view>

#include "client/trainer/decode/dicom/dicom_file.h"
#include "client/trainer/decode/dicom/dicom_image.h"
#include "client/trainer/decode/gunzip.h"
#include "client/trainer/decode/jpeg_image.h"
#include "client/trainer/decode/nifti_image.h"
#include "client/trainer/decode/pixel_values.h"
#include "client/trainer/decode/png_image.h"
#include "client/trainer/decode/tiff_image.h"

namespace consilium::decode {

namespace {

/// The most that a compressed file may hold besides its pixels: headers and tags.
constexpr std::uint64_t kMaxHeaderBytes = std::uint64_t{256} << 20;
constexpr std::size_t kBeginningBytes = 1024;

bool begins_with(Bytes file, std::string_view magic) {
  return file.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), file.begin(),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

bool is_tiff(Bytes file) {
  using namespace std::string_view_literals;
  return begins_with(file, "II*\0"sv) || begins_with(file, "MM\0*"sv) || begins_with(file, "II+\0"sv) ||
         begins_with(file, "MM\0+"sv);
}

/// A DICOM file has its signature after a preamble that may hold anything, so the other formats are tried first.
Result<data::DecodedImage> decode_unpacked(Bytes file, const data::DecodeOptions& options) {
  if (is_nifti(file)) return decode_nifti(file, options);
  if (begins_with(file, "\x89PNG\r\n\x1a\n")) return decode_png(file, options);
  if (begins_with(file, "\xff\xd8\xff")) return decode_jpeg(file, options);
  if (is_dicom(file)) return decode_dicom(file, options);
  if (is_tiff(file)) return decode_tiff(file, options);
  return fail(ErrorCode::kInvalidArgument, "the file isn't a DICOM, NIfTI, PNG, JPEG or TIFF file");
}

Result<data::DecodedImage> decode_any(Bytes file, const data::DecodeOptions& options) {
  if (!is_gzip(file)) return decode_unpacked(file, options);
  CONSILIUM_ASSIGN(const auto beginning, gunzip_beginning(file, kBeginningBytes));
  if (options.header_only && is_nifti(beginning)) return decode_nifti(beginning, options);
  CONSILIUM_ASSIGN(const auto unpacked, gunzip(file, options.max_bytes + kMaxHeaderBytes));
  return decode_unpacked(unpacked, options);
}

}  // namespace

Result<data::DecodedImage> decode_file(Bytes file, const data::DecodeOptions& options) {
  try {
    CONSILIUM_ASSIGN(data::DecodedImage image, decode_any(file, options));
    CONSILIUM_TRY(require_finite(image.pixels));
    if (options.origin && !image.origin) image.origin = data::PlainFile{};
    return image;
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kResourceExhausted, "decoding the file takes more memory than the decoder may use");
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInvalidArgument, std::string("the file cannot be decoded: ") + error.what());
  }
}

Result<void> set_up_libraries() {
  set_up_nifti();
  return set_up_dicom();
}

}  // namespace consilium::decode
