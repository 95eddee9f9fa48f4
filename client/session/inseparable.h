#pragma once

#include <cstdint>
#include <span>

#include "common/error/error.h"
#include "common/job/round_order.h"

namespace consilium::session {

/// Refuses a masked update whose changes have few sizes, with kInvalidArgument. A plain one passes.
///
/// A sum of n_i x_i over a few hospitals is taken apart by whoever knows that each x_i is plus or minus one number, or
/// one of few: the sums over many coordinates show each n_i, and then each hospital's signs. One step of Adam gives
/// such updates, and so does a clip that cuts everything. Sizes count as one where their first eight binary digits are
/// the same. Too few are those where one size and the next have more than a quarter of the coordinates, or sixteen more
/// than half. An update of fewer than ten thousand coordinates passes: a model so small is of the researcher's own
/// layers, which a person looks at, and constant pixels alone may give its changes few sizes.
/// @param examples  the site's n_i
/// @param global    the model that was trained from. AdamW takes away a known share of it, which could be added again
Result<void> check_inseparable(const job::RoundOrder& order, std::uint64_t examples, std::span<const float> global,
                               std::span<const float> delta);

}  // namespace consilium::session
