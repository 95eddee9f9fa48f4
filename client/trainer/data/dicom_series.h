#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "client/trainer/data/decoded_image.h"

namespace consilium::data {

/// A single-frame DICOM file and its header.
struct DicomSlice {
  std::string name;  ///< relative to the folder that was listed
  std::filesystem::path path;
  DecodedImage header;
  double position = 0.0;  ///< of its plane along the normal, in mm
};

[[nodiscard]] DicomSlice slice_at(std::string name, std::filesystem::path path, DecodedImage header);

/// Sorts the files of a series by position, then by name. Returns false if they don't all have different positions, as
/// in a cine or a localiser, because they then form no volume. A single file counts as sorted.
bool sort_series(std::vector<DicomSlice>& slices);

/// Returns an item's name for people: its file, or the folder, number and first file of a sorted series.
[[nodiscard]] std::string name_of(const std::vector<DicomSlice>& slices);

}  // namespace consilium::data
