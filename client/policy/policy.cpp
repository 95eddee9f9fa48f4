#include "client/policy/policy.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "common/job/cohort_rules.h"

namespace consilium::policy {
namespace {

using Refusals = std::vector<std::string>;

std::string joined(const std::vector<std::string>& words, std::string_view separator) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : separator).append(word);
  return text;
}

void check_listed(std::string_view rule, const std::string& found, const std::vector<std::string>& listed,
                  Refusals& refusals) {
  if (std::find(listed.begin(), listed.end(), found) != listed.end()) return;
  const std::string allowed = listed.empty() ? "the policy lists none" : "the policy lists " + joined(listed, ", ");
  refusals.push_back(fmt::format("{}: '{}' ({})", rule, found, allowed));
}

void check_at_most(std::string_view rule, std::uint32_t found, const std::optional<std::uint32_t>& most,
                   Refusals& refusals) {
  if (!most) {
    refusals.push_back(fmt::format("{}: {} (the policy states no limit, so it allows none)", rule, found));
  } else if (found > *most) {
    refusals.push_back(fmt::format("{}: {} (the policy allows at most {})", rule, found, *most));
  }
}

/// What fewest_updates() follows from.
std::string promise_of(const job::JobSpec& job) {
  if (job::is_masked(job)) return fmt::format("colluding_sites {}", job::colluding_sites(job));
  const job::FederationSpec& federation = job.federation;
  return fmt::format("minimum_sites {}, fraction {}, quorum {}", federation.minimum_sites, federation.fraction,
                     federation.quorum);
}

void check_cohort(const job::JobSpec& job, const Policy::Rules& rules, Refusals& refusals) {
  const std::uint32_t promised = fewest_updates(job);
  const std::uint32_t insisted = job::is_masked(job) ? rules.minimum_survivors.value_or(0) : 0;
  if (!rules.minimum_cohort) {
    refusals.push_back("minimum_cohort: the policy states none");
  } else if (std::max(promised, insisted) < *rules.minimum_cohort) {
    refusals.push_back(
        fmt::format("minimum_cohort: a round may sum as few as {} updates ({}), the policy wants at least {}{}",
                    promised, promise_of(job), *rules.minimum_cohort,
                    job::is_masked(job) ? " (this site can insist on them: minimum_survivors)" : ""));
  }
  std::size_t largest = job::planned_cohort(job);
  if (job::is_masked(job)) {
    for (const auto& group : job::count_groups(job)) largest = std::min(largest, group.size());
  }
  if (insisted > largest) {
    refusals.push_back(fmt::format("minimum_survivors: {} (a round or a count group of the job sums no more than {})",
                                   insisted, largest));
  }
}

}  // namespace

Policy::Policy(Rules rules, std::vector<crypto::Digest> accepted, bool sandbox_required)
    : rules_(std::move(rules)), accepted_(std::move(accepted)), sandbox_required_(sandbox_required) {}

Result<void> Policy::accepts(const job::JobSpec& job, const crypto::Digest& digest,
                             const std::string& researcher) const {
  if (std::find(accepted_.begin(), accepted_.end(), digest) != accepted_.end()) return {};
  Refusals refusals;
  check_listed("researchers", researcher, rules_.researchers, refusals);
  check_listed("datasets", job.data.dataset, rules_.datasets, refusals);
  // Every job classifies: cross-entropy is the only loss that a job can name.
  check_listed("tasks", "classification", rules_.tasks, refusals);
  check_listed("strategies", std::string(job::name_of(job.strategy.kind)), rules_.strategies, refusals);
  if (!rules_.models.empty()) {
    check_listed("models", job.model.name.empty() ? "layers" : job.model.name, rules_.models, refusals);
  }
  check_at_most("max_rounds", job.federation.rounds, rules_.max_rounds, refusals);
  check_at_most("max_local_epochs", job.training.local_epochs, rules_.max_local_epochs, refusals);
  check_cohort(job, rules_, refusals);
  if (rules_.maximum_clip && job.privacy.clip > *rules_.maximum_clip) {
    refusals.push_back(
        fmt::format("maximum_clip: {} (the policy allows at most {})", job.privacy.clip, *rules_.maximum_clip));
  }
  if (!job::is_masked(job) && !rules_.allow_unmasked) {
    refusals.push_back("allow_unmasked: the job switches secure aggregation off (the policy does not allow it)");
  }
  if (refusals.empty()) return {};
  return fail(ErrorCode::kPermissionDenied, fmt::format("this site's policy declines job '{}' ({}): {}", job.name,
                                                        crypto::to_hex(digest), joined(refusals, "; ")));
}

std::uint32_t fewest_updates(const job::JobSpec& job) {
  if (job::is_masked(job)) {
    const std::uint32_t c = job::colluding_sites(job);
    return job::threshold(job::smallest_cohort(c), c);
  }
  const job::FederationSpec& federation = job.federation;
  return job::answers_needed(federation.quorum, job::cohort_size(federation.fraction, federation.minimum_sites));
}

}  // namespace consilium::policy
