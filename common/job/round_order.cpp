#include "common/job/round_order.h"

#include <spdlog/fmt/fmt.h>

#include "common/job/cohort_rules.h"
#include "common/job/job_text.h"
#include "common/job/strategies.h"
#include "common/model/model_parameters.h"

namespace consilium::job {
namespace {

Result<void> check_session(const JobSpec& job, const SessionKey& key, std::uint64_t normaliser, std::uint32_t group) {
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorCode::kInvalidArgument, to_string(key) + ": " + why);
  };
  const std::uint32_t rounds = job.federation.rounds;
  if (key.attempt < 1) return refuse("expected an attempt of at least 1");
  const bool one_sum = key.kind == SumKind::kTrain && !sums_whole_groups(job);
  const std::size_t groups = one_sum ? 1 : count_groups(job).size();
  if (group >= groups) return refuse(fmt::format("found count group {}; expected 0 to {}", group, groups - 1));
  switch (key.kind) {
    case SumKind::kCensus:
      if (key.round > rounds) return refuse(fmt::format("the job has {} rounds", rounds));
      if (sums_whole_groups(job) && key.round > 0) return refuse("a job in mode masked has one census, of round 0");
      if (normaliser != 0) return refuse("the number of examples is not known before the census; expected 0");
      return {};
    case SumKind::kTrain:
      if (key.round < 1 || key.round > rounds) return refuse(fmt::format("expected a round from 1 to {}", rounds));
      if (normaliser < 1) return refuse("training needs the number of examples from the census; found 0");
      return {};
    case SumKind::kEvaluate:
      if (key.round > rounds) return refuse(fmt::format("expected a round from 0 to {}", rounds));
      if (sums_whole_groups(job) && !evaluates_after(job, key.round))
        return refuse(fmt::format("the job evaluates every {} rounds, not after this one", job.evaluation.every));
      return {};
  }
  return refuse("unknown kind of sum");
}

/// Includes single sites' examples in the sum if they aren't secret (plain), or if every sum is over a whole group.
encoding::Extras extras_of(const JobSpec& job) {
  return {.examples = !is_masked(job) || sums_whole_groups(job),
          .unusable = sums_whole_groups(job),
          .alone = job.evaluation.alone};
}

Result<encoding::VectorLayout> layout_of(const JobSpec& job, SumKind kind) {
  if (kind == SumKind::kTrain) {
    CONSILIUM_ASSIGN(const ParameterManifest manifest, model::build_manifest(job.model));
    return encoding::train_layout(manifest, job.privacy.clip, job.privacy.buffer_clip, extras_of(job));
  }
  CONSILIUM_ASSIGN(const auto task, task_of(job));
  return kind == SumKind::kCensus ? task::census_layout(*task, extras_of(job))
                                  : task::evaluate_layout(*task, extras_of(job));
}

void fill_training(const JobSpec& job, RoundOrder& order) {
  order.local_epochs = job.training.local_epochs;
  order.batch_size = job.training.batch_size;
  order.optimizer = job.training.optimizer;
  order.optimizer.learning_rate = learning_rate_at(job, order.round);
  const StrategyTraits& strategy = traits_of(job.strategy.kind);
  order.proximal_mu = strategy.proximal_term == nullptr ? 0.0 : job.strategy.*strategy.proximal_term;
  order.time_limit_ms = job.training.time_limit ? static_cast<std::uint64_t>(job.training.time_limit->count()) : 0;
  order.keep_partial = strategy.keeps_partial_work;
  order.weighting = job.strategy.weighting;
}

}  // namespace

std::string_view name_of(SumKind kind) {
  switch (kind) {
    case SumKind::kCensus:
      return "census";
    case SumKind::kTrain:
      return "train";
    case SumKind::kEvaluate:
      return "evaluate";
  }
  return "unknown";
}

std::string to_string(const SessionKey& key) {
  return fmt::format("{} {} {}.{}", key.job_id, name_of(key.kind), key.round, key.attempt);
}

Result<std::shared_ptr<const task::Task>> task_of(const JobSpec& job) {
  return task::make_task(job.task, static_cast<std::uint64_t>(job.model.classes));
}

Result<encoding::VectorLayout> expected_layout(const JobSpec& job, const SessionKey& key) {
  CONSILIUM_TRY(check_session(job, key, key.kind == SumKind::kTrain ? 1 : 0, 0));
  return layout_of(job, key.kind);
}

Result<RoundOrder> expected_order(const JobSpec& job, const SessionKey& key, std::uint64_t normaliser,
                                  const crypto::Digest& model, std::uint32_t group, const task::LabelCounts& labels) {
  // In mode masked the divisor of the weights follows from the job alone, whatever the caller says.
  if (sums_whole_groups(job)) normaliser = key.kind == SumKind::kTrain ? weight_normaliser(job) : 0;
  CONSILIUM_TRY(check_session(job, key, normaliser, group));
  RoundOrder order;
  order.kind = key.kind;
  order.round = key.round;
  order.attempt = key.attempt;
  order.group = group;
  order.job = job_digest(job);
  order.seed = job.seed;
  order.normaliser = normaliser;
  if (job.training.loss.balanced && key.kind != SumKind::kCensus) {
    CONSILIUM_TRY(task::check(labels, static_cast<std::uint64_t>(job.model.classes)));
    order.labels = labels;
  }
  CONSILIUM_ASSIGN(order.layout, layout_of(job, key.kind));
  if (key.kind != SumKind::kCensus) order.model = model;
  if (key.kind == SumKind::kTrain) fill_training(job, order);
  if (key.kind == SumKind::kEvaluate) order.split = job.evaluation.split;
  return order;
}

}  // namespace consilium::job
