#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/roster/roster.h"

namespace consilium::roster {

/// Divides the sites of all these groups into cells: two sites share a cell if every group contains both or neither.
/// Any linear combination of sums over the groups gives all sites of a cell the same weight, so nothing smaller than a
/// cell can be singled out. Cells, and the sites in them, are in order of name.
[[nodiscard]] std::vector<Group> cells_of(std::span<const Group> groups);

/// Returns the smallest size of a cell in which two honest sites are left when c collude.
[[nodiscard]] std::size_t fewest_in_cell(std::uint32_t colluding);

/// Describes how the sum over only the cell's sites can be computed from sums over the groups. If a difference of sums
/// gives it, the text names that difference; otherwise it lists the groups that contain the cell. Only the last few
/// hundred groups are searched for a difference, which bounds the time.
[[nodiscard]] std::string exposure_text(const Group& cell, std::span<const Group> groups, std::uint32_t colluding);

/// Returns the names in braces: "{east, north}".
[[nodiscard]] std::string set_text(const Group& sites);

}  // namespace consilium::roster
