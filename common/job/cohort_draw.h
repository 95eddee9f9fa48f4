#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/job/round_order.h"

/// Whom a round is over: a draw that follows from the job's public seed, so that coordinator, sites and simulator find
/// the same without asking each other.
namespace consilium::job {

/// Draws up to `size` of the sites, without replacement: each has a number of its own that follows from (seed, round,
/// name), and the smallest win. So a site that is missing changes nothing about the order of the others.
/// @return names in lexical order
[[nodiscard]] std::vector<std::string> draw_cohort(std::uint64_t seed, std::uint32_t round,
                                                   const std::vector<std::string>& sites, std::size_t size);

/// What decides which groups of a job in mode `masked` are summed.
struct GroupDraw {
  std::uint64_t seed = 0;
  double fraction = 1.0;
  std::uint32_t groups = 0;  ///< how many the job has
};
[[nodiscard]] GroupDraw group_draw(const JobSpec& job);

/// Returns the groups that a sum is over, as indices into count_groups(), ascending. A census is over all of the job's
/// groups. A round of training is over those of the counted groups that it draws: cohort_size(fraction, counted) of
/// them. An evaluation is over all counted groups.
/// @param counted  the groups in the committed census, ascending; not looked at for a census
[[nodiscard]] std::vector<std::uint32_t> groups_summed(const GroupDraw& draw, SumKind kind, std::uint32_t round,
                                                       std::span<const std::uint32_t> counted);

/// Checks which groups a sum includes: no other than groups_summed() gives, and enough of them. A round needs the job's
/// quorum of the groups that it draws; a census needs the quorum of more than half of the job's groups.
/// @param included  ascending
/// kPermissionDenied with the group that doesn't belong there, or with both numbers.
Result<void> check_groups_summed(const JobSpec& job, SumKind kind, std::uint32_t round,
                                 std::span<const std::uint32_t> counted, std::span<const std::uint32_t> included);

}  // namespace consilium::job
