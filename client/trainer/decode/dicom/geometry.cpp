#include "client/trainer/decode/dicom/geometry.h"

#include <dcmtk/dcmdata/dcdeftag.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace consilium::decode {

namespace {

constexpr double kSameDirection = 1e-3;  ///< cosines that differ by less count as equal
constexpr double kSamePlace = 1e-3;      ///< mm
constexpr double kUneven = 0.01;         ///< relative to the distance between two slices

Point normal_of(const std::array<double, 6>& axes) {
  return {axes[1] * axes[5] - axes[2] * axes[4], axes[2] * axes[3] - axes[0] * axes[5],
          axes[0] * axes[4] - axes[1] * axes[3]};
}

double dot(const Point& a, const Point& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

/// Reads exactly N numbers, or none if the attribute is missing.
template <std::size_t N>
Result<std::optional<std::array<double, N>>> read_exactly(DcmItem& item, const DcmTagKey& key) {
  CONSILIUM_ASSIGN(const std::vector<double> numbers, read_numbers(item, key, N));
  if (numbers.empty()) return std::optional<std::array<double, N>>();
  if (numbers.size() != N) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("DICOM {}: expected {} values, found {}", name_of(key), N, numbers.size()));
  }
  std::array<double, N> values{};
  std::copy(numbers.begin(), numbers.end(), values.begin());
  return std::optional(values);
}

Result<void> check_orientation(const std::array<double, 6>& axes) {
  const Point row{axes[0], axes[1], axes[2]};
  const Point column{axes[3], axes[4], axes[5]};
  constexpr double kTolerance = 1e-2;
  if (std::abs(dot(row, row) - 1.0) > kTolerance || std::abs(dot(column, column) - 1.0) > kTolerance ||
      std::abs(dot(row, column)) > kTolerance) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("DICOM {}: expected two perpendicular directions", name_of(DCM_ImageOrientationPatient)));
  }
  return {};
}

/// Reads the spacing of pixels: in the patient if it is stated, else at the detector.
Result<std::optional<std::array<double, 2>>> read_pixel_spacing(DcmItem& item) {
  for (const DcmTagKey& key : {DCM_PixelSpacing, DCM_ImagerPixelSpacing}) {
    CONSILIUM_ASSIGN(const auto spacing, (read_exactly<2>(item, key)));
    if (!spacing) continue;
    if (!((*spacing)[0] > 0.0) || !((*spacing)[1] > 0.0)) {
      return fail(ErrorCode::kInvalidArgument, fmt::format("DICOM {}: expected two positive numbers", name_of(key)));
    }
    return spacing;
  }
  return std::optional<std::array<double, 2>>();
}

Result<std::optional<double>> read_slice_distance(DcmItem& item) {
  for (const DcmTagKey& key : {DCM_SpacingBetweenSlices, DCM_SliceThickness}) {
    CONSILIUM_ASSIGN(const auto distance, read_number(item, key));
    // Files of real scanners contain negative and zero distances, which mean nothing.
    if (distance && *distance > 0.0) return distance;
  }
  return std::optional<double>();
}

Result<FramePlane> read_plane(const FrameItems& items, std::size_t frame) {
  FramePlane plane;
  DcmItem& measures = items.find(frame, DCM_PixelMeasuresSequence);
  CONSILIUM_ASSIGN(plane.position,
                   (read_exactly<3>(items.find(frame, DCM_PlanePositionSequence), DCM_ImagePositionPatient)));
  CONSILIUM_ASSIGN(plane.orientation,
                   (read_exactly<6>(items.find(frame, DCM_PlaneOrientationSequence), DCM_ImageOrientationPatient)));
  if (plane.orientation) CONSILIUM_TRY(check_orientation(*plane.orientation));
  CONSILIUM_ASSIGN(plane.pixel_spacing, read_pixel_spacing(measures));
  CONSILIUM_ASSIGN(plane.slice_distance, read_slice_distance(measures));
  return plane;
}

/// Moves the slices of a dose to their offsets from the first (PS3.3 C.8.8.3.2).
Result<void> apply_dose_offsets(DcmItem& dataset, std::vector<FramePlane>& planes) {
  CONSILIUM_ASSIGN(const std::vector<double> offsets, read_numbers(dataset, DCM_GridFrameOffsetVector, planes.size()));
  if (offsets.size() != planes.size()) return {};
  for (std::size_t i = 0; i < planes.size(); ++i) {
    if (!planes[i].position || !planes[i].orientation) continue;
    const Point normal = normal_of(*planes[i].orientation);
    for (std::size_t axis = 0; axis < 3; ++axis)
      (*planes[i].position)[axis] += (offsets[i] - offsets[0]) * normal[axis];
  }
  return {};
}

bool same_orientation(const FramePlane& a, const FramePlane& b) {
  return std::ranges::equal(*a.orientation, *b.orientation,
                            [](double x, double y) { return std::abs(x - y) < kSameDirection; });
}

/// Returns the step from slice to slice if all steps are the same.
std::optional<Point> even_step(const std::vector<FramePlane>& planes) {
  const auto last = static_cast<double>(planes.size() - 1);
  Point step{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    step[axis] = ((*planes.back().position)[axis] - (*planes.front().position)[axis]) / last;
  }
  const double tolerance = kUneven * std::sqrt(dot(step, step)) + kSamePlace;
  for (std::size_t i = 0; i < planes.size(); ++i) {
    Point off{};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      off[axis] = (*planes[i].position)[axis] - (*planes.front().position)[axis] - static_cast<double>(i) * step[axis];
    }
    if (dot(off, off) > tolerance * tolerance) return std::nullopt;
  }
  return step;
}

}  // namespace

FrameItems::FrameItems(DcmItem& dataset)
    : dataset_(dataset),
      shared_(first_item(&dataset, DCM_SharedFunctionalGroupsSequence)),
      frames_(read_items(dataset, DCM_PerFrameFunctionalGroupsSequence)) {}

DcmItem* FrameItems::find_in_groups(std::size_t frame, const DcmTagKey& sequence) const {
  if (frame < frames_.size()) {
    if (DcmItem* own = first_item(frames_[frame], sequence); own != nullptr) return own;
  }
  return first_item(shared_, sequence);
}

DcmItem& FrameItems::find(std::size_t frame, const DcmTagKey& sequence) const {
  DcmItem* item = find_in_groups(frame, sequence);
  return item == nullptr ? dataset_ : *item;
}

Result<std::vector<FramePlane>> read_planes(DcmItem& dataset, const FrameItems& items, const ImageModule& module) {
  const auto frames = static_cast<std::size_t>(module.frames);
  std::vector<FramePlane> planes;
  const std::size_t described = std::clamp<std::size_t>(items.count(), 1, frames);
  for (std::size_t frame = 0; frame < described; ++frame) {
    CONSILIUM_ASSIGN(FramePlane plane, read_plane(items, frame));
    planes.push_back(std::move(plane));
  }
  planes.resize(frames, planes.back());
  if (frames > 1) CONSILIUM_TRY(apply_dose_offsets(dataset, planes));
  return planes;
}

double place_along_normal(const FramePlane& plane) { return dot(*plane.position, normal_of(*plane.orientation)); }

std::optional<std::vector<std::size_t>> order_along_normal(const std::vector<FramePlane>& planes) {
  std::vector<double> places;
  for (const FramePlane& plane : planes) {
    if (!plane.position || !plane.orientation || !same_orientation(plane, planes.front())) return std::nullopt;
    places.push_back(place_along_normal(plane));
  }
  std::vector<std::size_t> order(planes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&places](std::size_t i) { return places[i]; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (places[order[i]] - places[order[i - 1]] < kSamePlace) return std::nullopt;
  }
  return order;
}

void place_image(const std::vector<FramePlane>& planes, data::DecodedImage& image) {
  const FramePlane& first = planes.front();
  image.spacing[0] = first.slice_distance.value_or(1.0);
  if (first.pixel_spacing) {
    image.spacing[1] = (*first.pixel_spacing)[0];
    image.spacing[2] = (*first.pixel_spacing)[1];
    image.has_spacing = true;
  }
  if (!first.position || !first.orientation || !first.pixel_spacing) return;
  const std::array<double, 6>& axes = *first.orientation;
  Point step = normal_of(axes);
  for (double& value : step) value *= image.spacing[0];
  if (planes.size() > 1) {
    if (!order_along_normal(planes)) return;
    const auto even = even_step(planes);
    if (!even) return;
    step = *even;
    image.spacing[0] = std::sqrt(dot(step, step));
  }
  image.has_position = true;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double sign = axis == 2 ? 1.0 : -1.0;  // DICOM's x points to the left and its y to the back
    image.affine[axis * 4 + 0] = sign * axes[axis] * image.spacing[2];
    image.affine[axis * 4 + 1] = sign * axes[3 + axis] * image.spacing[1];
    image.affine[axis * 4 + 2] = sign * step[axis];
    image.affine[axis * 4 + 3] = sign * (*first.position)[axis];
  }
}

}  // namespace consilium::decode
