#include "common/job/cohort_draw.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <utility>

#include "common/job/cohort_rules.h"
#include "common/random/random_stream.h"

namespace consilium::job {
namespace {

/// Returns a group's name in the draw: its index with five digits, so that lexical and numerical order agree.
std::string name_of_group(std::uint32_t group) { return fmt::format("{:05}", group); }

std::uint32_t group_named(const std::string& name) {
  std::uint32_t group = 0;
  std::from_chars(name.data(), name.data() + name.size(), group);
  return group;
}

}  // namespace

std::vector<std::string> draw_cohort(std::uint64_t seed, std::uint32_t round, const std::vector<std::string>& sites,
                                     std::size_t size) {
  std::vector<std::pair<std::uint64_t, std::string>> ranked;
  ranked.reserve(sites.size());
  for (const std::string& site : sites) {
    ranked.emplace_back(RandomStream(seed, RandomPurpose::kCohort, round, site).next_u64(), site);
  }
  std::sort(ranked.begin(), ranked.end());
  ranked.resize(std::min(size, ranked.size()));
  std::vector<std::string> cohort;
  cohort.reserve(ranked.size());
  for (auto& [draw, site] : ranked) cohort.push_back(std::move(site));
  std::sort(cohort.begin(), cohort.end());
  return cohort;
}

GroupDraw group_draw(const JobSpec& job) {
  return {job.seed, job.federation.fraction, static_cast<std::uint32_t>(count_groups(job).size())};
}

std::vector<std::uint32_t> groups_summed(const GroupDraw& draw, SumKind kind, std::uint32_t round,
                                         std::span<const std::uint32_t> counted) {
  if (kind == SumKind::kCensus) {
    std::vector<std::uint32_t> all(draw.groups);
    std::iota(all.begin(), all.end(), 0U);
    return all;
  }
  if (kind == SumKind::kEvaluate) return {counted.begin(), counted.end()};
  std::vector<std::string> names;
  for (const std::uint32_t group : counted) names.push_back(name_of_group(group));
  std::vector<std::uint32_t> drawn;
  for (const std::string& name : draw_cohort(draw.seed, round, names, cohort_size(draw.fraction, names.size())))
    drawn.push_back(group_named(name));
  return drawn;
}

Result<void> check_groups_summed(const JobSpec& job, SumKind kind, std::uint32_t round,
                                 std::span<const std::uint32_t> counted, std::span<const std::uint32_t> included) {
  const GroupDraw draw = group_draw(job);
  const std::vector<std::uint32_t> allowed = groups_summed(draw, kind, round, counted);
  for (const std::uint32_t group : included) {
    if (group >= draw.groups) return fail(ErrorCode::kPermissionDenied, fmt::format("the job has no group {}", group));
    if (!std::ranges::binary_search(allowed, group)) {
      return fail(
          ErrorCode::kPermissionDenied,
          fmt::format("the sum counts group {}, which the job's seed doesn't draw in {} {}", group, name_of(kind),
                      round));  // check: sum-drawn
    }
  }
  const std::size_t of = kind == SumKind::kCensus ? draw.groups / 2 + 1 : allowed.size();
  const std::size_t needed = answers_needed(job.federation.quorum, of);
  if (included.size() < needed) {
    return fail(ErrorCode::kPermissionDenied, fmt::format("the sum covers {} groups, but the job's quorum requires {}",
                                                          included.size(), needed));  // check: sum-quorum
  }
  return {};
}

}  // namespace consilium::job
