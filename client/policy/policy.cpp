#include "client/policy/policy.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "client/policy/unusual_terms.h"
#include "common/job/cohort_rules.h"
#include "common/job/learning_rates.h"
#include "common/job/strategies.h"
#include "common/model/model_parameters.h"

namespace consilium::policy {
namespace {

using Refusals = std::vector<Refusal>;

std::string joined(const std::vector<std::string>& words, std::string_view separator) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : separator).append(word);
  return text;
}

void check_listed(std::string_view rule, const std::string& found, const std::vector<std::string>& listed,
                  Refusals& refusals) {
  if (std::find(listed.begin(), listed.end(), found) != listed.end()) return;
  const std::string allowed = listed.empty() ? "the policy lists none" : "the policy lists " + joined(listed, ", ");
  refusals.push_back({std::string(rule), fmt::format("{}: '{}' ({})", rule, found, allowed)});
}

void check_at_most(std::string_view rule, std::uint32_t found, const std::optional<std::uint32_t>& most,
                   Refusals& refusals) {
  if (!most) {
    refusals.push_back(
        {std::string(rule), fmt::format("{}: {} (the policy states no limit, so it allows none)", rule, found)});
  } else if (found > *most) {
    refusals.push_back({std::string(rule), fmt::format("{}: {} (the policy allows at most {})", rule, found, *most)});
  }
}

/// Describes the terms that fewest_updates() is computed from.
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
    refusals.push_back({"minimum_cohort", "minimum_cohort: the policy states none"});
  } else if (std::max(promised, insisted) < *rules.minimum_cohort) {
    refusals.push_back(
        {"minimum_cohort",
         fmt::format("minimum_cohort: a round may sum as few as {} updates ({}), but the policy requires at least {}{}",
                     promised, promise_of(job), *rules.minimum_cohort,
                     job::is_masked(job) ? " (minimum_survivors lets this site insist on more)" : "")});
  }
  std::size_t largest = job::planned_cohort(job);
  if (job::is_masked(job)) {
    for (const auto& group : job::count_groups(job)) largest = std::min(largest, group.size());
  }
  if (insisted > largest) {
    refusals.push_back({"minimum_survivors",
                        fmt::format("minimum_survivors: {} (but a round or a count group of the job sums at most {})",
                                    insisted, largest)});
  }
}

void check_range(std::string_view key, double lowest, double highest, const Range& range, Refusals& refusals) {
  if (range.at_least && lowest < *range.at_least) {
    refusals.push_back(
        {std::string(key), fmt::format("{}: {} (the policy allows at least {})", key, lowest, *range.at_least)});
  }
  if (range.at_most && highest > *range.at_most) {
    refusals.push_back(
        {std::string(key), fmt::format("{}: {} (the policy allows at most {})", key, highest, *range.at_most)});
  }
}

void check_training(const job::JobSpec& job, const Policy::Rules& rules, Refusals& refusals) {
  const double batch = job.training.batch_size;
  check_range("batch_size", batch, batch, rules.batch_size, refusals);
  if (rules.learning_rate == Range{}) return;
  const auto [lowest, highest] = job::learning_rates(job);
  check_range("learning_rate", lowest, highest, rules.learning_rate, refusals);
}

/// Checks the rules that apply even to a listed digest: the coordinator must not see an unmasked vector, and no model
/// may exhaust the memory.
void check_always(const job::JobSpec& job, const Policy::Rules& rules, Refusals& refusals) {
  if (!job::is_masked(job) && !rules.allow_unmasked) {
    refusals.push_back(
        {"allow_unmasked", "allow_unmasked: the job switches secure aggregation off (the policy does not allow it)"});
  }
  if (!rules.max_parameters) return;
  const auto manifest = model::build_manifest(job.model);  // only names and shapes; no parameters are allocated
  if (!manifest) {
    refusals.push_back({"max_parameters", "max_parameters: " + manifest.error().message});
  } else if (manifest->parameter_count() > *rules.max_parameters) {
    refusals.push_back({"max_parameters", fmt::format("max_parameters: {} (the policy allows at most {})",
                                                      manifest->parameter_count(), *rules.max_parameters)});
  }
}

/// Returns why a job within every rule still needs a person's approval; "" if it doesn't.
std::string approval_needed(const job::JobSpec& job, const std::string& researcher, const Policy::Rules& rules) {
  if (job.initial_weights_digest || job.initial_weights) return "it starts from weights of the researcher's own";
  if (job.model.name.empty()) return "its model is a list of the researcher's own layers";
  const std::vector<std::string> unusual = unusual_terms(job);
  if (!unusual.empty()) return unusual.front();  // check: unusual-terms
  if (std::ranges::find(rules.researchers, researcher) == rules.researchers.end())
    return fmt::format("the policy accepts no job of '{}' without approval", researcher);
  return "";
}

}  // namespace

Policy::Policy(Rules rules, std::vector<crypto::Digest> accepted, bool sandbox_required)
    : rules_(std::move(rules)), accepted_(std::move(accepted)), sandbox_required_(sandbox_required) {}

Judgement Policy::judge(const job::JobSpec& job, const crypto::Digest& digest, const std::string& researcher) const {
  Judgement judgement;
  Refusals& refusals = judgement.refusals;
  check_always(job, rules_, refusals);
  if (std::ranges::find(accepted_, digest) != accepted_.end()) return judgement;
  check_listed("datasets", job.data.dataset, rules_.datasets, refusals);
  check_listed("tasks", std::string(task::name_of(job.task.kind)), rules_.tasks, refusals);  // check: policy-task
  check_listed("strategies", std::string(job::traits_of(job.strategy.kind).name), rules_.strategies, refusals);
  if (!rules_.models.empty()) {
    check_listed("models", job.model.name.empty() ? "layers" : job.model.name, rules_.models, refusals);
  }
  check_at_most("max_rounds", job.federation.rounds, rules_.max_rounds, refusals);
  check_at_most("max_local_epochs", job.training.local_epochs, rules_.max_local_epochs, refusals);
  check_cohort(job, rules_, refusals);
  check_training(job, rules_, refusals);
  if (rules_.maximum_clip && job.privacy.clip > *rules_.maximum_clip) {
    refusals.push_back({"maximum_clip", fmt::format("maximum_clip: {} (the policy allows at most {})", job.privacy.clip,
                                                    *rules_.maximum_clip)});
  }
  judgement.approval = approval_needed(job, researcher, rules_);
  return judgement;
}

std::string keys_of(const std::vector<Refusal>& refusals) {
  std::vector<std::string> keys;
  for (const Refusal& refusal : refusals) {
    if (std::ranges::find(keys, refusal.key) == keys.end()) keys.push_back(refusal.key);
  }
  return joined(keys, ", ");
}

std::string texts_of(const std::vector<Refusal>& refusals) {
  std::vector<std::string> texts;
  for (const Refusal& refusal : refusals) texts.push_back(refusal.text);
  return joined(texts, "; ");
}

std::uint32_t fewest_updates(const job::JobSpec& job) {
  if (job::sums_whole_groups(job)) {
    std::size_t smallest = job.federation.sites.size();
    for (const auto& group : job::count_groups(job)) smallest = std::min(smallest, group.size());
    return static_cast<std::uint32_t>(smallest);
  }
  if (job::is_masked(job)) {
    const std::uint32_t c = job::colluding_sites(job);
    return job::threshold(job::smallest_cohort(c), c);
  }
  const job::FederationSpec& federation = job.federation;
  return job::answers_needed(federation.quorum, job::cohort_size(federation.fraction, federation.minimum_sites));
}

}  // namespace consilium::policy
