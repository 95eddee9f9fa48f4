#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "client/trainer/data/target.h"
#include "common/error/error.h"

namespace consilium::data {

/// Boxes by image file, as the file writes its name.
using BoxesByFile = std::map<std::string, Boxes, std::less<>>;

/// Reads boxes from COCO JSON (.json: images, annotations with [x, y, width, height], categories) or CSV (columns file,
/// x, y, width, height and, with more than one class, class). An image of the JSON without annotations has no boxes; in
/// a CSV a row with a file and empty numbers says the same. Hostile input: bounded, finite, at least a thousandth of a
/// pixel large, classes that are known.
/// @param classes  names by index; filled from the file where it is empty (COCO: categories in order of id)
Result<BoxesByFile> read_boxes(const std::filesystem::path& file, std::vector<std::string>& classes);

/// Reads boxes from the text of a COCO JSON file.
/// @param name  what errors call it
Result<BoxesByFile> parse_coco_boxes(std::string_view text, const std::string& name, std::vector<std::string>& classes);

}  // namespace consilium::data
