#pragma once

#include <cstddef>

#include "client/trainer/data/collection.h"
#include "client/trainer/data/picture.h"
#include "client/trainer/protocol/data_source.h"

namespace consilium::data {

/// Draws small pictures of items, evenly picked: of a volume its middle plane, or the one with most of the mask; masks
/// as outlines and boxes as frames, a colour a class. What can't be read is left blank. For the site's own eyes.
/// @param most  pictures on the sheet
Picture contact_sheet(const Collection& collection, const trainer::DataSource& source, std::size_t most = 64);

}  // namespace consilium::data
