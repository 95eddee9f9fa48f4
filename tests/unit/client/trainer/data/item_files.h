#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "client/trainer/data/collection.h"
#include "client/trainer/data/readers.h"
#include "tests/catch.h"
#include "tests/unit/client/trainer/data/files.h"

namespace consilium::data::testing {

/// Writes a grey image of bytes as .npy.
inline void write_image(const std::filesystem::path& file, std::size_t height, std::size_t width,
                        const std::vector<std::uint8_t>& pixels) {
  REQUIRE(pixels.size() == height * width);
  std::filesystem::create_directories(file.parent_path());
  spill(file,
        npy(dictionary("|u1", "(" + std::to_string(height) + ", " + std::to_string(width) + ")"), bytes_of(pixels)));
}

/// Writes a 2 x 2 image whose pixels have this value and the next three.
inline void write_small(const std::filesystem::path& file, int value) {
  const auto v = static_cast<std::uint8_t>(value);
  write_image(
      file, 2, 2,
      {v, static_cast<std::uint8_t>(v + 1), static_cast<std::uint8_t>(v + 2), static_cast<std::uint8_t>(v + 3)});
}

/// Writes a volume of floats, [D, H, W], as .npy.
inline void write_volume(const std::filesystem::path& file, const std::vector<std::size_t>& sides,
                         const std::vector<float>& values) {
  std::filesystem::create_directories(file.parent_path());
  std::ostringstream shape;
  shape << '(' << sides[0] << ", " << sides[1] << ", " << sides[2] << ')';
  spill(file, npy(dictionary("<f4", shape.str()), bytes_of(values)));
}

/// Decodes files of one line, "patient study series image position width height", into a header like DICOM's and pixels
/// that are the position. Other tests run the trainer's real decoder on real files.
class LineDecoder : public ImageDecoder {
 public:
  Result<DecodedImage> decode(const std::filesystem::path& file, const DecodeOptions& options) override {
    std::istringstream line(slurp(file));
    DecodedImage image;
    double position = 0.0;
    std::int64_t width = 0, height = 0;
    line >> image.tags.patient_id >> image.tags.study_uid >> image.tags.series_uid >> image.tags.sop_uid >> position >>
        width >> height;
    if (!line) return fail(ErrorCode::kInvalidArgument, file.string() + ": no DICOM file");
    image.shape = {1, height, width};
    image.has_position = true;
    image.affine[11] = position;
    if (options.header_only) return image;
    image.pixels =
        std::vector<std::int16_t>(static_cast<std::size_t>(width * height), static_cast<std::int16_t>(position));
    return image;
  }
};

inline Result<Collection> list(trainer::DataSource source, std::shared_ptr<ImageDecoder> decoder = nullptr) {
  return list_items(source, std::move(decoder));
}

template <class T>
void check_refusal(const Result<T>& result, const std::vector<std::string>& parts) {
  REQUIRE_FALSE(result);
  for (const std::string& part : parts) {
    CAPTURE(part);
    CHECK_THAT(result.error().message, Catch::Contains(part));
  }
}

}  // namespace consilium::data::testing
