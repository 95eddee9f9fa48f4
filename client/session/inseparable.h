#pragma once

#include <cstdint>
#include <span>

#include "common/error/error.h"
#include "common/job/round_order.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::session {

/// Refuses a masked update whose changes have too few distinct sizes, with kInvalidArgument. A plain update passes.
///
/// Whoever knows that each x_i is plus or minus one number, or one of a few, can take apart a sum of n_i x_i over a few
/// hospitals: the sums over many coordinates reveal each n_i, and then each hospital's signs. One step of Adam produces
/// such updates, and so does a clip that cuts everything.
/// Sizes count as equal if they have the same exponent and the same eight binary digits after the leading one. There
/// are too few sizes if two neighbouring ones cover more than a quarter of the coordinates, or if the sixteen most
/// frequent ones cover more than half. An update with fewer coordinates than policy::kFewestCoordinates passes, because
/// constant pixels alone may give its changes few sizes; a person reviews such a job (policy::unusual_terms()). Frozen
/// tensors are in no update, so they don't count.
/// @param factors        the job's factors of the learning rate by layer
/// @param examples       the site's n_i
/// @param global, delta  manifest.parameter_count() floats each. `global` is needed because AdamW subtracts a known
///                       share of the model that training began with, which an attacker could add back
Result<void> check_inseparable(const job::RoundOrder& order, const ParameterManifest& manifest,
                               const job::RateFactors& factors, std::uint64_t examples, std::span<const float> global,
                               std::span<const float> delta);

}  // namespace consilium::session
