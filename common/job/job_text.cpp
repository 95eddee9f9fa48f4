#include "common/job/job_text.h"

#include <nlohmann/json.hpp>
#include <span>

#include "common/config/scalars.h"
#include "common/job/labelled_digest.h"
#include "common/job/strategies.h"
#include "common/model/model_json.h"
#include "common/task/task_json.h"

namespace consilium::job {
namespace {

using nlohmann::json;

json optimizer_json(const OptimizerSpec& optimizer) {
  json text{{"name", name_of(optimizer.kind)},
            {"learning_rate", optimizer.learning_rate},
            {"weight_decay", optimizer.weight_decay}};
  if (optimizer.kind == OptimizerKind::kSgd) {
    text["momentum"] = optimizer.momentum;
  } else {
    text["betas"] = json::array({optimizer.beta1, optimizer.beta2});
    text["epsilon"] = optimizer.epsilon;
  }
  return text;
}

json schedule_json(const LearningRateSchedule& schedule) {
  json text{{"name", "constant"}};
  switch (schedule.kind) {
    case ScheduleKind::kConstant:
      break;
    case ScheduleKind::kStep:
      text = {{"name", "step"}, {"every", schedule.every}, {"factor", schedule.factor}};
      break;
    case ScheduleKind::kCosine:
      text = {{"name", "cosine"}, {"minimum", schedule.minimum}};
      break;
  }
  if (schedule.warmup > 0) text["warmup"] = schedule.warmup;
  if (schedule.rounds_before > 0) text["rounds_before"] = schedule.rounds_before;
  return text;
}

json training_json(const TrainingSpec& training, task::TaskKind task) {
  json text{{"local_epochs", training.local_epochs},
            {"batch_size", training.batch_size},
            {"optimizer", optimizer_json(training.optimizer)},
            {"schedule", schedule_json(training.schedule)},
            {"time_limit", training.time_limit ? json(config::duration_text(*training.time_limit)) : json()},
            {"loss", task::to_json(training.loss, task)}};
  // Defaults are left out, so that jobs older than these keys keep their digests.
  if (training.precision != Precision::kFloat32) text["precision"] = name_of(training.precision);
  if (training.gradient_clip) text["gradient_clip"] = *training.gradient_clip;
  if (!training.learning_rates.empty()) text["learning_rates"] = training.learning_rates;
  return text;
}

json data_json(const DataSpec& data) {
  json normalize;
  if (data.normalize) normalize = {{"mean", data.normalize->mean}, {"std", data.normalize->std}};
  json text{{"dataset", data.dataset}, {"normalize", std::move(normalize)}};
  // Left out if each site decides, so that jobs older than these keys keep their digests.
  if (data.atlas) {
    text["atlas"] = {
        {"name", data.atlas->name}, {"sha256", crypto::to_hex(data.atlas->sha256)}, {"channels", data.atlas->channels}};
  }
  if (data.augment) text["augment"] = task::to_json(*data.augment);
  return text;
}

json roster_json(const Roster& roster) {
  if (roster.empty()) return {};
  json text = json::object();
  for (const auto& [site, key] : roster) text[site] = crypto::to_hex(key);
  return text;
}

json federation_json(const JobSpec& job) {
  const FederationSpec& federation = job.federation;
  json text{{"rounds", federation.rounds},
            {"sites", federation.sites.empty() ? json() : json(federation.sites)},
            {"fraction", federation.fraction},
            {"minimum_sites", federation.minimum_sites == 0 ? json() : json(federation.minimum_sites)},
            {"quorum", federation.quorum},
            {"deadline", config::duration_text(federation.deadline)}};
  if (is_masked(job)) {
    text["roster"] = roster_json(federation.roster);
    text["count_groups"] = federation.count_groups.empty() ? json() : json(federation.count_groups);
  }
  return text;
}

json privacy_json(const JobSpec& job) {
  const PrivacySpec& privacy = job.privacy;
  json text{{"secure_aggregation", name_of(privacy.secure_aggregation)},
            {"clip", privacy.clip},
            {"buffer_clip", privacy.buffer_clip}};
  if (is_masked(job)) text["colluding_sites"] = privacy.colluding_sites ? json(*privacy.colluding_sites) : json();
  return text;
}

json population_json(const JobSpec& job) {
  if (!job.population) return {};
  const PopulationTerms& terms = *job.population;
  return {{"name", terms.name},
          {"examples", terms.examples},
          {"groups", terms.groups},
          {"history", crypto::to_hex(terms.history)}};
}

json strategy_json(const StrategySpec& strategy) {
  const StrategyTraits& traits = traits_of(strategy.kind);
  json text{{"name", traits.name}, {"weighting", name_of(strategy.weighting)}};
  for (const StrategyParameter& parameter : traits.parameters) text[parameter.key] = strategy.*parameter.value;
  return text;
}

json evaluation_json(const EvaluationSpec& evaluation) {
  json text{{"every", evaluation.every}, {"split", name_of(evaluation.split)}};
  // Defaults are left out, so that jobs older than these keys keep their digests.
  if (evaluation.alone) text["alone"] = true;
  if (evaluation.metric.empty()) return text;
  text["metric"] = evaluation.metric;
  if (evaluation.patience > 0) text["patience"] = evaluation.patience;
  if (evaluation.keep_best) text["keep"] = "best";
  return text;
}

json initial_weights_json(const JobSpec& job) {
  if (job.initial_weights_digest) {
    json text{{"sha256", crypto::to_hex(*job.initial_weights_digest)}};
    if (job.initial_weights) text["path"] = *job.initial_weights;
    return text;
  }
  if (!job.replaced_layers.empty()) return {{"path", *job.initial_weights}, {"replace", job.replaced_layers}};
  return job.initial_weights ? json(*job.initial_weights) : json();
}

}  // namespace

std::string canonical_text(const JobSpec& job) {
  json text{{"name", job.name},
            {"model", model::to_json(job.model)},
            {"data", data_json(job.data)},
            {"training", training_json(job.training, job.task.kind)},
            {"federation", federation_json(job)},
            {"strategy", strategy_json(job.strategy)},
            {"privacy", privacy_json(job)},
            {"evaluation", evaluation_json(job.evaluation)},
            {"initial_weights", initial_weights_json(job)},
            {"seed", job.seed},
            {"readers", job.readers.empty() ? json() : json(job.readers)}};
  // Left out for classification, so that jobs older than tasks keep their digests.
  if (job.task != task::TaskSpec{}) text["task"] = task::to_json(job.task);
  if (is_masked(job)) text["population"] = population_json(job);
  return text.dump();
}

crypto::Digest labelled_digest(std::string_view label, std::span<const std::byte> record) {
  crypto::Sha256 hash;
  const auto add = [&hash](std::span<const std::byte> bytes) {
    std::array<std::byte, 8> length{};
    for (std::size_t i = 0; i < length.size(); ++i)
      length[i] = static_cast<std::byte>(std::uint64_t{bytes.size()} >> (8 * i) & 0xFF);
    hash.update(length);
    hash.update(bytes);
  };
  add(std::as_bytes(std::span(label)));
  add(record);
  return hash.finish();
}

crypto::Digest job_digest(const JobSpec& job) { return digest_of_text(canonical_text(job)); }

crypto::Digest digest_of_text(std::string_view canonical_text) {
  return labelled_digest("consilium/v1/job", std::as_bytes(std::span(canonical_text)));
}

}  // namespace consilium::job
