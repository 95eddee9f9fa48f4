#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/roster/roster.h"

namespace consilium::roster {

/// Cuts the sites of all these groups into cells: two sites share a cell if every group has both or neither. Any linear
/// combination of sums over the groups gives all sites of a cell the same weight, so that nothing smaller than a cell
/// can be singled out. Cells and their sites in order of name.
[[nodiscard]] std::vector<Group> cells_of(std::span<const Group> groups);

/// The fewest sites of a cell in which two honest ones are left when c collude.
[[nodiscard]] std::size_t fewest_in_cell(std::uint32_t colluding);

/// Says in words how the sum over a cell's sites alone can be computed from sums over the groups: as a difference where
/// there is one, else by the groups that tell the cell from all other sites. Looks for a difference among the last few
/// hundred groups, which bounds the time.
[[nodiscard]] std::string exposure_text(const Group& cell, std::span<const Group> groups, std::uint32_t colluding);

/// Writes names in braces: "{east, north}".
[[nodiscard]] std::string set_text(const Group& sites);

}  // namespace consilium::roster
