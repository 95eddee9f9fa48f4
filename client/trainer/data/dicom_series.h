#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "client/trainer/data/decoded_image.h"

namespace consilium::data {

/// A DICOM file of one frame, and what its header says.
struct DicomSlice {
  std::string name;  ///< below the folder that was listed
  std::filesystem::path path;
  DecodedImage header;
  double position = 0.0;  ///< of its plane along the normal, mm
};

[[nodiscard]] DicomSlice slice_at(std::string name, std::filesystem::path path, DecodedImage header);

/// Sorts the files of a series by position, then name. Returns false where they don't say a different position each, as
/// a cine or a localiser doesn't: they are no volume then. One file alone is sorted.
bool sort_series(std::vector<DicomSlice>& slices);

/// Names an item for people: its file, or the folder, number and first file of a sorted series.
[[nodiscard]] std::string name_of(const std::vector<DicomSlice>& slices);

}  // namespace consilium::data
