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

/// Where one frame lies, in the patient's LPS+ system of DICOM, mm.
struct FramePlane {
  std::optional<Point> position;                       ///< centre of the first pixel
  std::optional<std::array<double, 6>> orientation;    ///< directions of a row and of a column, both of length 1
  std::optional<std::array<double, 2>> pixel_spacing;  ///< between rows, between columns
  std::optional<double> slice_distance;                ///< spacing between slices, else their thickness
};

/// The functional groups that a frame's attributes are looked up in: its own, those that all frames share, and the
/// data set itself. An image of one frame, or of an old kind, has the last alone.
class FrameItems {
 public:
  explicit FrameItems(DcmItem& dataset);

  /// Returns where the macro `sequence` of a frame stands; the data set where neither group has it.
  [[nodiscard]] DcmItem& find(std::size_t frame, const DcmTagKey& sequence) const;
  /// The same, nullptr where neither group has it.
  [[nodiscard]] DcmItem* find_in_groups(std::size_t frame, const DcmTagKey& sequence) const;
  [[nodiscard]] std::size_t count() const { return frames_.size(); }

 private:
  DcmItem& dataset_;
  DcmItem* shared_ = nullptr;
  std::vector<DcmItem*> frames_;
};

/// Reads the planes of all frames. Fails with kInvalidArgument where an attribute is there and makes no sense.
Result<std::vector<FramePlane>> read_planes(DcmItem& dataset, const FrameItems& items, const ImageModule& module);

/// Orders planes along their common normal, the lowest first. Returns the indices of the planes, or none where a plane
/// has no position or another orientation, or two have the same place.
std::optional<std::vector<std::size_t>> order_along_normal(const std::vector<FramePlane>& planes);

/// Returns a plane's place along its normal, in mm.
double place_along_normal(const FramePlane& plane);

/// Fills spacing and affine of an image whose slices are `planes` in that order.
void place_image(const std::vector<FramePlane>& planes, data::DecodedImage& image);

}  // namespace consilium::decode
