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

/// The pixels of an image, in the file's type after rescaling (DICOM's slope and intercept, NIfTI's scl_slope).
/// Integers stay integers if the rescaled values are integers that fit.
using Pixels = std::variant<std::vector<std::uint8_t>, std::vector<std::uint16_t>, std::vector<std::int16_t>,
                            std::vector<std::int32_t>, std::vector<float>>;

/// Maps (column, row, slice, 1) to mm in the patient's RAS+ system (x to the right, y to the front, z to the head): the
/// first three rows of the 4 x 4 matrix, row-major.
using Affine = std::array<double, 12>;

/// Identifies what an image shows. The trainer splits and joins images by these tags. They never leave the site, and no
/// error contains them. They are empty if the file format has no such tags.
struct ImageTags {
  std::string patient_id;
  std::string study_uid;
  std::string series_uid;
  std::string sop_uid;
  std::string modality;  ///< DICOM's modality: "CT", "MR", ...
  bool operator==(const ImageTags&) const = default;
};

/// An image file's content in memory. The axes of NIfTI volumes are reoriented to the closest RAS ones, as nibabel's
/// as_closest_canonical() does. Every other format keeps the rows and columns of the file (after its EXIF orientation
/// is applied).
struct DecodedImage {
  std::vector<std::int64_t> shape;  ///< [C, H, W], or [C, D, H, W] of a volume or of several frames; row-major
  Pixels pixels;                    ///< as many as the product of shape; floats are finite
  std::array<double, 3> spacing{1.0, 1.0, 1.0};  ///< mm between neighbours along D, H and W; 1 if the file states none
  bool has_spacing = false;                      ///< the file states its spacing
  /// The affine of its voxels. The identity if the file states no position.
  Affine affine{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};
  bool has_position = false;  ///< the file states its position and orientation
  /// The range of values to display, as the file states it (DICOM's window): the first is shown black, the second
  /// white.
  std::optional<std::array<double, 2>> window;
  ImageTags tags;
  /// Set if DecodeOptions::origin is.
  std::optional<FileOrigin> origin{};
};

/// The options of a decoder.
struct DecodeOptions {
  /// Leaves `pixels` empty and reads only shape, spacing, affine and tags, for sorting and joining.
  bool header_only = false;
  /// The file holds labels: no window, no rescaling to float, values as stored. A colour palette yields its indices.
  bool labels = false;
  /// Fills `origin`, which is needed to write a mask that belongs to the file.
  bool origin = false;
  std::uint64_t max_bytes = std::uint64_t{2} << 30;  ///< of the decoded pixels; more fails with kResourceExhausted
};

/// Decodes image files to pixels. An implementation can run in a separate process.
class ImageDecoder {
 public:
  virtual ~ImageDecoder() = default;
  /// Decodes one file. Its format is recognised from its bytes, not from its name. Files are hostile input: a broken,
  /// truncated or unknown one fails with kInvalidArgument, a missing one with kNotFound, and one beyond the limit with
  /// kResourceExhausted. The next call works after each of these, and after the decoding process has crashed. Errors
  /// name the file and what is wrong with it, but contain no tags. Thread-safe.
  virtual Result<DecodedImage> decode(const std::filesystem::path& file, const DecodeOptions& options) = 0;
};

}  // namespace consilium::data
