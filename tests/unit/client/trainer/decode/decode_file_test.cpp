#include "client/trainer/decode/decode_file.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "tests/unit/client/trainer/decode/expected_images.h"

using namespace consilium;
using namespace consilium::decode;

namespace {

/// Shared by all cases, because DCMTK's codecs are registered for the whole process.
const bool kReady = set_up_libraries().has_value();

Result<data::DecodedImage> decode_fixture(const std::string& name, const data::DecodeOptions& options = {}) {
  return decode_file(read_bytes(kImages / name), options);
}

std::string message_of(const std::vector<std::uint8_t>& bytes, const data::DecodeOptions& options = {}) {
  const auto image = decode_file(bytes, options);
  return image ? "read" : image.error().message;
}

std::vector<std::uint8_t> changed(const std::string& name, std::size_t offset,
                                  std::initializer_list<std::uint8_t> bytes) {
  auto file = read_bytes(kImages / name);
  std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(offset));
  return file;
}

/// Replaces an attribute's value in an explicit VR little endian file, keeping its length.
std::vector<std::uint8_t> with_attribute(const std::string& name, std::uint16_t group, std::uint16_t element,
                                         const std::string& vr, const std::string& value) {
  auto file = read_bytes(kImages / name);
  const std::string key{static_cast<char>(group & 0xFF),
                        static_cast<char>(group >> 8),
                        static_cast<char>(element & 0xFF),
                        static_cast<char>(element >> 8),
                        vr[0],
                        vr[1]};
  const auto found = std::search(file.begin(), file.end(), key.begin(), key.end());
  REQUIRE(found != file.end());
  std::copy(value.begin(), value.end(), found + 8);
  return file;
}

}  // namespace

TEST_CASE("every fixture decodes to the pixels that pydicom, nibabel and Pillow give") {
  REQUIRE(kReady);
  const nlohmann::json all = read_expected();
  for (const auto& [name, expected] : all.items()) {
    INFO(name);
    const auto image = decode_fixture(name);
    REQUIRE((image ? "" : image.error().message) == std::string());
    CHECK(difference(*image, expected, expected.at("tolerance")) == "");
    if (expected.contains("element")) CHECK(name_of(element_of(image->pixels)) == expected.at("element"));
    CHECK(image->window.has_value() == expected.contains("window"));
    if (image->window && expected.contains("window")) CHECK(near(*image->window, expected.at("window")));
    if (expected.contains("spacing")) {
      CHECK(near(image->spacing, expected.at("spacing")));
      CHECK(near(image->affine, expected.at("affine")));
      CHECK(image->has_spacing);
      CHECK(image->has_position);
    }
  }
}

TEST_CASE(
    "as labels, values come as they are stored: no rescaling, no inversion, a palette's indices, one channel of "
    "segments") {
  const nlohmann::json all = read_expected();
  for (const auto& [name, expected] : all.items()) {
    if (!expected.contains("labels")) continue;
    INFO(name);
    const auto image = decode_fixture(name, {.labels = true});
    REQUIRE((image ? "" : image.error().message) == std::string());
    CHECK(difference(*image, expected.at("labels"), 0.0) == "");
  }
}

TEST_CASE("a header alone has the same shape, place and tags, and no pixels") {
  const nlohmann::json all = read_expected();
  for (const auto& [name, expected] : all.items()) {
    INFO(name);
    const auto whole = decode_fixture(name);
    const auto header = decode_fixture(name, {.header_only = true});
    REQUIRE(whole);
    REQUIRE((header ? "" : header.error().message) == std::string());
    CHECK(header->shape == whole->shape);
    CHECK(header->spacing == whole->spacing);
    CHECK(header->affine == whole->affine);
    CHECK(header->tags == whole->tags);
    CHECK(count_of(header->pixels) == 0);
  }
}

TEST_CASE("a DICOM file's identifiers come with its pixels") {
  const auto image = decode_fixture("dicom_explicit.dcm");
  REQUIRE(image);
  CHECK(image->tags == data::ImageTags{"fixture-7", "1.2.3", "1.2.3.4", "1.2.826.0.1.3680043.8.498.1", "CT"});
}

TEST_CASE("an image beyond the limit is refused before its pixels are allocated") {
  const nlohmann::json all = read_expected();
  for (const auto& [name, expected] : all.items()) {
    INFO(name);
    const auto image = decode_fixture(name, {.max_bytes = 64});
    REQUIRE_FALSE(image);
    CHECK(image.error().code == ErrorCode::kResourceExhausted);
  }
}

TEST_CASE("a file that is cut off is refused, wherever it ends before its last pixel") {
  const nlohmann::json all = read_expected();
  for (const auto& [name, expected] : all.items()) {
    const auto whole = read_bytes(kImages / name);
    for (const double share : {0.02, 0.3, 0.6, 0.9, 0.97}) {
      INFO(name << " at " << share);
      const auto length = static_cast<std::size_t>(share * static_cast<double>(whole.size()));
      const auto image = decode_file(Bytes(whole).first(length), {});
      if (image) {  // a TIFF can have a tag after the pixels that nobody misses
        CHECK_THAT(name, Catch::EndsWith(".tif"));
        CHECK(difference(*image, expected, expected.at("tolerance")) == "");
      } else {
        CHECK_FALSE(image.error().message.empty());
      }
    }
  }
}

TEST_CASE("unknown and empty files are named for what they are") {
  CHECK(message_of({}) == "the file isn't a DICOM, NIfTI, PNG, JPEG or TIFF file");
  CHECK(message_of({'h', 'e', 'l', 'l', 'o', ' ', 'w', 'o', 'r', 'l', 'd'}) ==
        "the file isn't a DICOM, NIfTI, PNG, JPEG or TIFF file");
}

TEST_CASE("numbers that aren't any are refused, where DCMTK would take their beginning") {
  CHECK_THAT(message_of(with_attribute("dicom_frames.dcm", 0x0028, 0x0008, "IS", "1A")),
             Catch::Contains("NumberOfFrames: value 1 isn't a number"));
  CHECK_THAT(message_of(with_attribute("dicom_slope.dcm", 0x0028, 0x1053, "DS", "NaN ")),
             Catch::Contains("RescaleSlope"));
  CHECK_THAT(message_of(with_attribute("dicom_slope.dcm", 0x0028, 0x1053, "DS", "0.00")),
             Catch::Contains("expected another number than 0"));
}

TEST_CASE("more frames than the pixel data hold are an error") {
  CHECK_THAT(message_of(with_attribute("dicom_frames.dcm", 0x0028, 0x0008, "IS", "9 ")), Catch::Contains("cut off"));
  CHECK_THAT(message_of(with_attribute("dicom_plain.dcm", 0x0028, 0x0010, "US", std::string("\x40\x00", 2))),
             Catch::Contains("the header declares 1280 bytes, but the file has 240"));
}

TEST_CASE("segments that overlap can be masks, and not labels") {
  auto file = read_bytes(kImages / "dicom_seg_binary.dcm");
  // Gives the third frame the position of the first.
  const std::string place = std::string("0\\0\\3", 5);
  const auto found = std::search(file.begin(), file.end(), place.begin(), place.end());
  REQUIRE(found != file.end());
  found[4] = '0';
  CHECK(message_of(file) == "read");
  CHECK_THAT(message_of(file, {.labels = true}), Catch::Contains("segments 1 and 5 overlap"));
}

TEST_CASE("a NIfTI header whose sizes or orientation can't be is refused") {
  constexpr std::size_t kFirstSize = 42;
  constexpr std::size_t kFirstRowOfSform = 280;
  CHECK_THAT(message_of(changed("nifti1.nii", kFirstSize, {0xff, 0xff})), Catch::Contains("NIfTI header"));
  CHECK_THAT(message_of(changed("nifti1.nii", kFirstSize, {0xff, 0x7f})), Catch::Contains("cut off"));
  CHECK_THAT(message_of(changed("nifti1.nii", kFirstRowOfSform + 4, {0, 0, 0xc0, 0x7f})),
             Catch::Contains("NIfTI header"));
}

TEST_CASE("floats that are NaN are refused") {
  auto file = read_bytes(kImages / "nifti2_big_endian.nii");
  const std::array<std::uint8_t, 8> nan{0x7f, 0xf8, 0, 0, 0, 0, 0, 0};
  std::copy(nan.begin(), nan.end(), file.end() - 16);
  CHECK_THAT(message_of(file), Catch::Contains("NaN or infinite"));
}

TEST_CASE("gzip that unpacks to more than the limit ends early") {
  std::vector<std::uint8_t> zeros(64 << 20);
  std::vector<std::uint8_t> packed(compressBound(zeros.size()));
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  stream.next_out = packed.data();
  stream.avail_out = static_cast<uInt>(packed.size());
  for (int part = 0; part < 8; ++part) {  // 512 MiB in all
    stream.next_in = zeros.data();
    stream.avail_in = static_cast<uInt>(zeros.size());
    REQUIRE(deflate(&stream, part == 7 ? Z_FINISH : Z_NO_FLUSH) >= 0);
  }
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  const auto image = decode_file(packed, {.max_bytes = 1 << 20});
  REQUIRE_FALSE(image);
  CHECK(image.error().code == ErrorCode::kResourceExhausted);
}
