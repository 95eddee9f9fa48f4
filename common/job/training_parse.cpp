#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "common/job/job_limits.h"
#include "common/job/job_sections.h"
#include "common/model/layer_names.h"
#include "common/task/outputs.h"
#include "common/task/task_json.h"

namespace consilium::job {
namespace {

using config::kNotNegative;
using config::kPositive;
using config::kShare;
using config::Section;
using config::Value;

constexpr config::NumberRange kDecay{.low = 0.0, .high = 1.0, .below = true};
constexpr config::NumberRange kRateFactor{.low = kMinRateFactor, .high = kMaxRateFactor};
constexpr config::NumberRange kGradientNorm{.low = kMinGradientClip, .high = kMaxGradientClip};

Result<OptimizerSpec> parse_optimizer(const Value& value) {
  OptimizerSpec optimizer;
  Section section(value, {"name", "learning_rate"}, {"momentum", "weight_decay", "betas", "epsilon"});
  section.choice<OptimizerKind>(
      "name", optimizer.kind,
      {{"sgd", OptimizerKind::kSgd}, {"adam", OptimizerKind::kAdam}, {"adamw", OptimizerKind::kAdamW}});
  section.number("learning_rate", optimizer.learning_rate, kPositive);
  section.number("weight_decay", optimizer.weight_decay, kNotNegative);
  if (optimizer.kind == OptimizerKind::kSgd) {
    section.number("momentum", optimizer.momentum, kDecay);
    refuse_key(section, "betas", "optimizer adam or adamw");
    refuse_key(section, "epsilon", "optimizer adam or adamw");
  } else {
    refuse_key(section, "momentum", "optimizer sgd");
    section.number("epsilon", optimizer.epsilon, kPositive);
    if (section.ok() && section.has("betas")) {
      CONSILIUM_ASSIGN(const std::vector<Value> betas, section.at("betas").items(2));
      if (betas.size() != 2) return fail(section.at("betas").problem("expected two numbers, e.g. [0.9, 0.999]"));
      CONSILIUM_ASSIGN(optimizer.beta1, betas[0].number(kDecay));
      CONSILIUM_ASSIGN(optimizer.beta2, betas[1].number(kDecay));
    }
  }
  CONSILIUM_TRY(section.result());
  return optimizer;
}

Result<LearningRateSchedule> parse_schedule(const Value& value, double learning_rate) {
  LearningRateSchedule schedule;
  if (!value.present()) return schedule;
  if (!value.is_map() && !value.is_list() && value.entry()->text == "constant") return schedule;
  Section section(value, {"name"}, {"every", "factor", "minimum", "warmup", "rounds_before"});
  section.choice<ScheduleKind>(
      "name", schedule.kind,
      {{"constant", ScheduleKind::kConstant}, {"step", ScheduleKind::kStep}, {"cosine", ScheduleKind::kCosine}});
  if (schedule.kind == ScheduleKind::kStep) {
    for (const std::string_view key : {"every", "factor"}) {
      if (!section.has(key)) section.refuse(section.at(key).problem("this key is missing"));
    }
    section.integer("every", schedule.every, {1, kMaxRounds});
    section.number("factor", schedule.factor, kShare);
  } else {
    refuse_key(section, "every", "schedule step");
    refuse_key(section, "factor", "schedule step");
  }
  if (schedule.kind == ScheduleKind::kCosine) {
    if (!section.has("minimum")) section.refuse(section.at("minimum").problem("this key is missing"));
    section.number("minimum", schedule.minimum, {.low = 0.0, .high = learning_rate, .above = true});
  } else {
    refuse_key(section, "minimum", "schedule cosine");
  }
  section.integer("warmup", schedule.warmup, {1, kMaxRounds});
  section.integer("rounds_before", schedule.rounds_before, {1, kMaxRounds});
  CONSILIUM_TRY(section.result());
  return schedule;
}

Result<RateFactors> parse_learning_rates(const Value& value, const model::ModelSpec& model) {
  RateFactors factors;
  if (!value.present()) return factors;
  CONSILIUM_ASSIGN(const model::Graph graph, model::expand(model));
  CONSILIUM_ASSIGN(const auto pairs, value.pairs(kMaxLayerWords));
  for (const auto& [word, factor] : pairs) {
    if (const auto known = model::check_layer_name(graph, word); !known)
      return fail(value.problem(known.error().message));
    const bool trained = std::ranges::any_of(graph.layers, [&word = word, &graph](const model::Layer& layer) {
      return !layer.frozen && model::lies_in(graph.layers[layer.owner].name, word);
    });
    if (!trained) return fail(factor.problem("has no meaning for a layer that model.frozen names"));
    CONSILIUM_ASSIGN(factors[word], factor.number(kRateFactor));
  }
  return factors;
}

Result<task::LossSpec> parse_loss(const Value& value, const JobSpec& job) {
  if (!value.present()) return task::default_loss(job.task.kind);
  auto loss = task::loss_from_json(value.json(), job.task, static_cast<std::uint64_t>(job.model.classes));
  if (!loss) return fail(problem_at(value, "training.loss.", loss.error()));
  return loss;
}

}  // namespace

Error problem_at(const Value& value, std::string_view prefix, const Error& error) {
  std::string_view message = error.message;
  if (message.starts_with(prefix)) message.remove_prefix(prefix.size());
  return value.problem_below(message, error.code);
}

void refuse_key(Section& section, std::string_view key, std::string_view belongs_to) {
  if (section.ok() && section.has(key))
    section.refuse(section.at(key).problem(fmt::format("only with {}", belongs_to)));
}

Result<task::TaskSpec> parse_task(const Value& value) {
  if (!value.present()) return task::TaskSpec{};
  auto task = task::task_from_json(value.json());
  if (!task) return fail(problem_at(value, "task.", task.error()));
  return task;
}

Result<void> check_task(const Value& value, const JobSpec& job) {
  const auto checked = [&]() -> Result<void> {
    CONSILIUM_ASSIGN(const auto task, task::make_task(job.task, static_cast<std::uint64_t>(job.model.classes)));
    CONSILIUM_ASSIGN(const model::Graph graph, model::expand(job.model));
    return task::check_outputs(*task, job.model.input, graph.output_shapes());
  }();
  if (!checked) return fail(value.problem(checked.error().message, checked.error().code));
  return {};
}

Result<TrainingSpec> parse_training(const Value& value, const JobSpec& job) {
  TrainingSpec training;
  Section section(
      value, {"optimizer"},
      {"local_epochs", "batch_size", "schedule", "time_limit", "loss", "precision", "gradient_clip", "learning_rates"});
  CONSILIUM_TRY(section.result());
  section.integer("local_epochs", training.local_epochs, {1, kMaxLocalEpochs});
  section.integer("batch_size", training.batch_size, {1, kMaxBatchSize});
  if (section.has("time_limit")) section.duration("time_limit", training.time_limit.emplace(), kTimes);
  section.choice<Precision>("precision", training.precision,
                            {{"float32", Precision::kFloat32}, {"bf16", Precision::kBfloat16}});
  if (section.has("gradient_clip")) section.number("gradient_clip", training.gradient_clip.emplace(), kGradientNorm);
  CONSILIUM_TRY(section.result());
  CONSILIUM_ASSIGN(training.loss, parse_loss(section.at("loss"), job));
  CONSILIUM_ASSIGN(training.optimizer, parse_optimizer(section.at("optimizer")));
  CONSILIUM_ASSIGN(training.learning_rates, parse_learning_rates(section.at("learning_rates"), job.model));
  CONSILIUM_ASSIGN(training.schedule, parse_schedule(section.at("schedule"), training.optimizer.learning_rate));
  return training;
}

}  // namespace consilium::job
