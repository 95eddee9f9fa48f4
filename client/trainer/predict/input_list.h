#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "client/trainer/data/collection.h"
#include "client/trainer/data/file_items.h"
#include "common/error/error.h"

namespace consilium::predict {

/// The images that a prediction is made for.
struct InputList {
  std::vector<data::Item> items;       ///< sorted by name
  std::vector<data::LeftOut> damaged;  ///< files that have an image's name and can't be read
  std::vector<data::LeftOut> skipped;  ///< files that are no images
  std::filesystem::path folder;        ///< that names start at
};

/// Lists an image file, or the image files below a folder as data::DatasetFolder does: hidden files and links that lead
/// out are left out, and depth and number are bounded. A file is taken for an image by its name: an image format's
/// ending, none, or digits, as DICOM files have.
/// @param series  the DICOM files of a series are one volume, sorted by position and named by its first file. Where
/// they
///                can't be sorted, each is an
///                image of its own
/// Fails with kNotFound where there is no such file or folder, or no image in it.
Result<InputList> list_inputs(const std::filesystem::path& input, bool series, const data::FileImages& images);

}  // namespace consilium::predict
