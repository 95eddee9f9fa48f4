#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/dicom/attributes.h"
#include "client/trainer/decode/dicom/image_module.h"
#include "common/error/error.h"

namespace consilium::decode {

using Point = std::array<double, 3>;

/// The position of one frame, in mm, in DICOM's LPS+ patient coordinate system.
struct FramePlane {
  std::optional<Point> position;                       ///< centre of the first pixel
  std::optional<std::array<double, 6>> orientation;    ///< direction cosines of a row and of a column, both of length 1
  std::optional<std::array<double, 2>> pixel_spacing;  ///< between rows, then between columns
  std::optional<double> slice_distance;                ///< spacing between slices, or else their thickness
};

/// The functional groups in which a frame's attributes are looked up: the frame's own, those that all frames share, and
/// the data set itself. A single-frame image and an old type of image have only the last.
class FrameItems {
 public:
  explicit FrameItems(DcmItem& dataset);

  /// Returns the item that holds the macro `sequence` of a frame. Returns the data set if neither group has the macro.
  [[nodiscard]] DcmItem& find(std::size_t frame, const DcmTagKey& sequence) const;
  /// Like find(), but returns nullptr if neither group has the macro.
  [[nodiscard]] DcmItem* find_in_groups(std::size_t frame, const DcmTagKey& sequence) const;
  [[nodiscard]] std::size_t count() const { return frames_.size(); }

 private:
  DcmItem& dataset_;
  DcmItem* shared_ = nullptr;
  std::vector<DcmItem*> frames_;
};

/// Reads the planes of all frames. Fails with kInvalidArgument if an attribute is present but invalid.
Result<std::vector<FramePlane>> read_planes(DcmItem& dataset, const FrameItems& items, const ImageModule& module);

/// Orders planes along their common normal, the lowest first, and returns their indices. Returns nothing if a plane has
/// no position or another orientation, or if two planes have the same position.
std::optional<std::vector<std::size_t>> order_along_normal(const std::vector<FramePlane>& planes);

/// Returns a plane's position along its normal, in mm.
double place_along_normal(const FramePlane& plane);

/// Sets the spacing and affine of an image whose slices are `planes`, in that order.
void place_image(const std::vector<FramePlane>& planes, data::DecodedImage& image);

}  // namespace consilium::decode
