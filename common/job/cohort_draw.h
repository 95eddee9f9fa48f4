#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/job/round_order.h"

/// The draw of a round's participants. It follows from the job's public seed, so the coordinator, the sites and the
/// simulator get the same result without asking each other.
namespace consilium::job {

/// Draws up to `size` of the sites without replacement. Each site gets a number that depends only on (seed, round,
/// name), and the sites with the smallest numbers are drawn. So a missing site doesn't change the order of the others.
/// @return names in lexical order
[[nodiscard]] std::vector<std::string> draw_cohort(std::uint64_t seed, std::uint32_t round,
                                                   const std::vector<std::string>& sites, std::size_t size);

/// The terms that decide which groups of a job in mode `masked` are summed.
struct GroupDraw {
  std::uint64_t seed = 0;
  double fraction = 1.0;
  std::uint32_t groups = 0;  ///< number of groups in the job
};
[[nodiscard]] GroupDraw group_draw(const JobSpec& job);

/// Returns the groups that a sum includes, as indices into count_groups(), ascending. A census includes all of the
/// job's groups. A round of training draws cohort_size(fraction, counted) of the counted groups. An evaluation includes
/// all counted groups.
/// @param counted  the groups in the committed census, ascending; ignored for a census
[[nodiscard]] std::vector<std::uint32_t> groups_summed(const GroupDraw& draw, SumKind kind, std::uint32_t round,
                                                       std::span<const std::uint32_t> counted);

/// Checks the groups that a sum includes: all must be among groups_summed(), and there must be enough. A round needs
/// the job's quorum of the groups that it draws. A census needs the quorum of the smallest majority of the job's
/// groups. Fails with kPermissionDenied, naming the group that doesn't belong there or both numbers.
/// @param included  ascending
Result<void> check_groups_summed(const JobSpec& job, SumKind kind, std::uint32_t round,
                                 std::span<const std::uint32_t> counted, std::span<const std::uint32_t> included);

}  // namespace consilium::job
