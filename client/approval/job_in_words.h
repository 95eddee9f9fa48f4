#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/approval/approvals.h"
#include "common/job/job_spec.h"

/// Descriptions of a job for the person at a hospital who decides about it.
namespace consilium::approval {

/// The maximum number of times that something leaves the site over the whole course of a job.
struct ReleaseCount {
  std::uint64_t updates = 0;  ///< sums of updates: one per round
  std::uint64_t counts = 0;   ///< sums of counts: the census and every evaluation
  [[nodiscard]] std::uint64_t total() const { return updates + counts; }
  bool operator==(const ReleaseCount&) const = default;
};
[[nodiscard]] ReleaseCount releases_of(const job::JobSpec& job);

/// Describes what leaves the site, how often, and how many hospitals each sum is over: "20 sums of updates and 21 sums
/// of counts, each over 4 hospitals".
[[nodiscard]] std::string releases_in_words(const job::JobSpec& job);
/// Describes which hospitals take part, and in which groups they are summed.
[[nodiscard]] std::string sites_in_words(const job::JobSpec& job);
/// Names the model and its size: "fedavg_cnn, 1663370 parameters (6.7 MB)".
[[nodiscard]] std::string model_in_words(const job::JobSpec& job);
[[nodiscard]] std::string weights_in_words(const job::JobSpec& job);
[[nodiscard]] std::string training_in_words(const job::JobSpec& job);
/// Describes who may fetch the models and the report.
[[nodiscard]] std::string readers_in_words(const job::JobSpec& job);
/// Returns what a person should look at twice, one sentence each. Empty if there is nothing.
[[nodiscard]] std::vector<std::string> unusual_in(const job::JobSpec& job);

/// How many sums a population has given and how many it may give.
struct SumBudget {
  std::string population;
  std::uint64_t used = 0;                ///< permanently counted
  bool counted = false;                  ///< this job's own sums are included
  std::optional<std::uint64_t> maximum;  ///< from the policy; nullopt: any number
};
/// Describes how much of `maximum_sums` the job uses.
[[nodiscard]] std::string budget_in_words(const ReleaseCount& releases, const SumBudget& budget);

/// Returns "waits for approval", "approved by root on 2026-11-26 09:14 UTC", ...
[[nodiscard]] std::string state_in_words(const std::optional<Decision>& decision, bool accepted);
/// Formats a time: "2026-11-26 09:14 UTC".
[[nodiscard]] std::string time_in_words(std::int64_t seconds);

/// Facts as `consilium-client show` prints them: one per line, its name first.
using Facts = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] Facts facts_of(const Offer& offer, const job::JobSpec& job, const std::optional<Decision>& decision,
                             bool accepted, const SumBudget& budget);

}  // namespace consilium::approval
