#include "client/trainer/data/dicom_series.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

namespace consilium::data {
namespace {

double position_of(const DecodedImage& header) {
  const auto& a = header.affine;
  const std::array<double, 3> normal{a[4] * a[9] - a[8] * a[5], a[8] * a[1] - a[0] * a[9], a[0] * a[5] - a[4] * a[1]};
  const double length = std::hypot(normal[0], normal[1], normal[2]);
  return length == 0.0 ? 0.0 : (normal[0] * a[3] + normal[1] * a[7] + normal[2] * a[11]) / length;
}

}  // namespace

DicomSlice slice_at(std::string name, std::filesystem::path path, DecodedImage header) {
  DicomSlice slice{std::move(name), std::move(path), std::move(header), 0.0};
  slice.position = position_of(slice.header);
  return slice;
}

bool sort_series(std::vector<DicomSlice>& slices) {
  std::sort(slices.begin(), slices.end(), [](const DicomSlice& a, const DicomSlice& b) {
    return std::pair(a.position, std::string_view(a.name)) < std::pair(b.position, std::string_view(b.name));
  });
  if (slices.size() == 1) return true;
  for (std::size_t i = 1; i < slices.size(); ++i) {
    if (!slices[i].header.has_position || !(slices[i].position > slices[i - 1].position)) return false;
  }
  return slices[0].header.has_position;
}

std::string name_of(const std::vector<DicomSlice>& slices) {
  const DicomSlice& first = slices[0];
  if (slices.size() == 1) return first.name;
  return fmt::format("{} ({} slices from {})", std::filesystem::path(first.name).parent_path().generic_string(),
                     slices.size(), std::filesystem::path(first.name).filename().string());
}

}  // namespace consilium::data
