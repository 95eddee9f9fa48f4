#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "client/trainer/data/collection.h"
#include "client/trainer/protocol/data_source.h"
#include "common/error/error.h"

namespace consilium::data {

/// A picture of 8-bit colours.
struct Picture {
  std::size_t width = 0;
  std::size_t height = 0;
  std::vector<std::uint8_t> rgb;  ///< width x height x 3, row by row
};

/// Draws small pictures of items, evenly picked: of a volume its middle plane, or the one with most of the mask; masks
/// as outlines and boxes as frames, a colour a class. What can't be read is left blank. For the site's own eyes.
/// @param most  pictures on the sheet
Picture contact_sheet(const Collection& collection, const trainer::DataSource& source, std::size_t most = 64);

/// Encodes a picture as PNG.
Result<std::string> to_png(const Picture& picture);

}  // namespace consilium::data
