#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "client/trainer/data/collection.h"
#include "client/trainer/data/file_items.h"
#include "common/error/error.h"

namespace consilium::predict {

/// The images to predict for.
struct InputList {
  std::vector<data::Item> items;       ///< sorted by name
  std::vector<data::LeftOut> damaged;  ///< files that are named like an image but can't be read
  std::vector<data::LeftOut> skipped;  ///< files that aren't images
  std::filesystem::path folder;        ///< that names are relative to
};

/// Lists an image file, or the image files below a folder as data::DatasetFolder does: hidden files and links that lead
/// out of the folder are left out, and depth and number are limited. A file counts as an image by its name if it has an
/// image format's extension, no extension, or digits as an extension, as DICOM files do.
/// Fails with kNotFound if there is no such file or folder, or if the folder contains no image.
/// @param series  makes the DICOM files of a series one volume, sorted by position and named after its first file; if
/// they can't be sorted, each is an image of its own
Result<InputList> list_inputs(const std::filesystem::path& input, bool series, const data::FileImages& images);

}  // namespace consilium::predict
