#pragma once

#include <cstdint>
#include <span>

#include "common/error/error.h"
#include "common/job/round_order.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::session {

/// Refuses a masked update whose changes have few sizes, with kInvalidArgument. A plain one passes.
///
/// A sum of n_i x_i over a few hospitals is taken apart by whoever knows that each x_i is plus or minus one number, or
/// one of few: the sums over many coordinates show each n_i, and then each hospital's signs. One step of Adam gives
/// such updates, and so does a clip that cuts everything. Sizes count as one where their first eight binary digits are
/// the same. Too few are those where one size and the next have more than a quarter of the coordinates, or sixteen more
/// than half. An update of fewer coordinates than policy::kFewestCoordinates passes: constant pixels alone may give its
/// changes few sizes, and a person looks at such a job (policy::unusual_terms()). Frozen tensors are in no update, so
/// they don't count.
/// @param factors        the job's, of the learning rate by layer
/// @param examples       the site's n_i
/// @param global, delta  of the manifest's parameter_count(). AdamW takes away a known share of the model that was
///                       trained from, which could be added again
Result<void> check_inseparable(const job::RoundOrder& order, const ParameterManifest& manifest,
                               const job::RateFactors& factors, std::uint64_t examples, std::span<const float> global,
                               std::span<const float> delta);

}  // namespace consilium::session
