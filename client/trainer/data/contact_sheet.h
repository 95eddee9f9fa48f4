#pragma once

#include <cstddef>

#include "client/trainer/data/collection.h"
#include "client/trainer/data/picture.h"
#include "client/trainer/protocol/data_source.h"

namespace consilium::data {

/// Draws thumbnails of evenly selected items. A volume is shown by its middle plane, or by the one with most of the
/// mask. Masks are drawn as outlines and boxes as frames, with a colour for each class. Unreadable items are left
/// blank. Only for the people at the site.
/// @param most  maximum number of thumbnails on the sheet
Picture contact_sheet(const Collection& collection, const trainer::DataSource& source, std::size_t most = 64);

}  // namespace consilium::data
