#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "client/trainer/data/file_origin.h"
#include "common/error/error.h"

namespace consilium::data {

/// Pixels of an image, in the type that they have in the file after rescaling (DICOM's slope and intercept, NIfTI's
/// scl_slope): integers stay integers where the rescaled values are integers that fit.
using Pixels = std::variant<std::vector<std::uint8_t>, std::vector<std::uint16_t>, std::vector<std::int16_t>,
                            std::vector<std::int32_t>, std::vector<float>>;

/// Maps (column, row, slice, 1) to mm in the patient's RAS+ system (x to the right, y to the front, z to the head): the
/// first three rows of the 4 x 4 matrix, row-major.
using Affine = std::array<double, 12>;

/// Identifies what an image shows. The trainer splits and joins by it. It never leaves the site, and no error carries
/// it. A file format without such tags leaves them empty.
struct ImageTags {
  std::string patient_id;
  std::string study_uid;
  std::string series_uid;
  std::string sop_uid;
  std::string modality;  ///< "CT", "MR", ... of DICOM
  bool operator==(const ImageTags&) const = default;
};

/// An image file's content in memory. NIfTI volumes have their axes turned to the nearest RAS ones, as nibabel's
/// as_closest_canonical() does; every other format keeps the rows and columns of the file (EXIF orientation applied).
struct DecodedImage {
  std::vector<std::int64_t> shape;  ///< [C, H, W], or [C, D, H, W] of a volume or of several frames; row-major
  Pixels pixels;                    ///< as many as the product of shape; floats are finite
  std::array<double, 3> spacing{1.0, 1.0, 1.0};  ///< mm between neighbours along D, H and W; 1 where the file says none
  bool has_spacing = false;                      ///< the file says its spacing
  /// Of its voxels. Identity where the file says no position.
  Affine affine{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};
  bool has_position = false;  ///< the file says its position and orientation
  /// The range of values that the file says to show (DICOM's window); the first is black and the second white.
  std::optional<std::array<double, 2>> window;
  ImageTags tags;
  /// Filled where DecodeOptions::origin asked for it.
  std::optional<FileOrigin> origin{};
};

/// What a decoder is asked for.
struct DecodeOptions {
  /// Leaves `pixels` empty: shape, spacing, affine and tags alone, for sorting and joining.
  bool header_only = false;
  /// The file holds labels: no window, no rescaling to float, values as stored; a colour palette gives its indices.
  bool labels = false;
  /// Fills `origin`, for a mask that shall go with the file.
  bool origin = false;
  std::uint64_t max_bytes = std::uint64_t{2} << 30;  ///< of the decoded pixels; more is kResourceExhausted
};

/// Turns image files into pixels. An implementation may run in a process of its own.
class ImageDecoder {
 public:
  virtual ~ImageDecoder() = default;
  /// Decodes one file, recognised by its bytes and not by its name. Files are hostile: a broken, truncated or unknown
  /// one is kInvalidArgument, a missing one kNotFound, one beyond the limit kResourceExhausted; after each of these,
  /// and after a crash of the decoding process, the next call works. Errors name the file and what is wrong with it,
  /// and no tag. Thread-safe.
  virtual Result<DecodedImage> decode(const std::filesystem::path& file, const DecodeOptions& options) = 0;
};

}  // namespace consilium::data
