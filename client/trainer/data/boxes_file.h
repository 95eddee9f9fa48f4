#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "client/trainer/data/target.h"
#include "common/error/error.h"

namespace consilium::data {

/// The boxes of each image file, by the name that the boxes file uses.
using BoxesByFile = std::map<std::string, Boxes, std::less<>>;

/// Reads boxes from COCO JSON (.json: images, annotations with [x, y, width, height], categories) or from CSV (columns
/// file, x, y, width, height and, with more than one class, class). In the JSON, an image without annotations has no
/// boxes; in a CSV, a row with a file and empty numbers says the same. The file is hostile input: its size is limited,
/// and every box must be finite, at least a thousandth of a pixel large and of a known class.
/// @param classes  names by index; if empty, filled from the file (COCO: categories in order of id)
Result<BoxesByFile> read_boxes(const std::filesystem::path& file, std::vector<std::string>& classes);

/// Reads boxes from the text of a COCO JSON file.
/// @param name  the name used in errors
Result<BoxesByFile> parse_coco_boxes(std::string_view text, const std::string& name, std::vector<std::string>& classes);

}  // namespace consilium::data
