#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/approval/approvals.h"
#include "common/job/job_spec.h"

/// A job as a person at a hospital reads it before deciding about it.
namespace consilium::approval {

/// How often something leaves the site in the whole course of a job, at most.
struct ReleaseCount {
  std::uint64_t updates = 0;  ///< sums of updates: one a round
  std::uint64_t counts = 0;   ///< sums of counts: the census, and every evaluation
  [[nodiscard]] std::uint64_t total() const { return updates + counts; }
  bool operator==(const ReleaseCount&) const = default;
};
[[nodiscard]] ReleaseCount releases_of(const job::JobSpec& job);

/// Says what leaves the site, how often, and over how many hospitals each sum is: "20 sums of updates and 21 sums of
/// counts, each over 4 hospitals".
[[nodiscard]] std::string releases_in_words(const job::JobSpec& job);
/// Says which hospitals take part, and in which groups they are summed.
[[nodiscard]] std::string sites_in_words(const job::JobSpec& job);
/// Names the model and its size: "fedavg_cnn, 1663370 parameters (6.7 MB)".
[[nodiscard]] std::string model_in_words(const job::JobSpec& job);
[[nodiscard]] std::string weights_in_words(const job::JobSpec& job);
[[nodiscard]] std::string training_in_words(const job::JobSpec& job);
/// Says who may fetch the models and the report.
[[nodiscard]] std::string readers_in_words(const job::JobSpec& job);
/// What a person should look at twice, a sentence each; empty: nothing.
[[nodiscard]] std::vector<std::string> unusual_in(const job::JobSpec& job);

/// How many sums a population has given, and may give.
struct SumBudget {
  std::string population;
  std::uint64_t used = 0;                ///< counted for good
  bool counted = false;                  ///< this job's own sums are among them
  std::optional<std::uint64_t> maximum;  ///< of the policy; none: any number
};
/// Says how much of `maximum_sums` the job uses.
[[nodiscard]] std::string budget_in_words(const ReleaseCount& releases, const SumBudget& budget);

/// "waits for approval", "approved by root on 2026-11-26 09:14 UTC", ...
[[nodiscard]] std::string state_in_words(const std::optional<Decision>& decision, bool accepted);
/// "2026-11-26 09:14 UTC".
[[nodiscard]] std::string time_in_words(std::int64_t seconds);

/// One line a fact, its name first: what `consilium-client show` prints.
using Facts = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] Facts facts_of(const Offer& offer, const job::JobSpec& job, const std::optional<Decision>& decision,
                             bool accepted, const SumBudget& budget);

}  // namespace consilium::approval
