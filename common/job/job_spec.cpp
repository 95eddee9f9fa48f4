#include "common/job/job_spec.h"

#include <algorithm>
#include <utility>

#include "common/job/learning_rates.h"
#include "common/model/layer_names.h"

namespace consilium::job {
namespace {

constexpr double kPi = 3.14159265358979323846;

/// Computes sin(x) and cos(x) for x in [0, pi / 4] by their Taylor series. It uses only basic operations, so that every
/// machine gets the same bits, because math libraries differ in the last bit.
double small_sine(double x) {
  double term = x, sum = x;
  for (int i = 1; i <= 9; ++i) {
    term = -term * x * x / ((2.0 * i) * (2.0 * i + 1.0));
    sum += term;
  }
  return sum;
}
double small_cosine(double x) {
  double term = 1.0, sum = 1.0;
  for (int i = 1; i <= 9; ++i) {
    term = -term * x * x / ((2.0 * i - 1.0) * (2.0 * i));
    sum += term;
  }
  return sum;
}

/// Returns (1 + cos(pi t)) / 2 for t in [0, 1]; exact at both ends.
double half_cosine(double t) {
  const double root = t <= 0.5 ? small_cosine(kPi / 2.0 * t) : small_sine(kPi / 2.0 * (1.0 - t));
  return root * root;
}

double step_factor(double factor, std::uint32_t steps) {
  double product = 1.0;
  for (std::uint32_t i = 0; i < steps && product != 0.0; ++i) product *= factor;
  return product;
}

}  // namespace

std::int64_t image_channels(const JobSpec& job) {
  const std::int64_t all = job.model.input.size() > 1 ? job.model.input.front() : 1;
  return all - (job.data.atlas ? job.data.atlas->channels : 0);
}

std::optional<Normalization> input_normalization(const JobSpec& job) {
  std::optional<Normalization> whole = job.data.normalize;
  if (!whole || !job.data.atlas) return whole;
  const auto own = static_cast<std::size_t>(image_channels(job));
  const std::size_t all = own + static_cast<std::size_t>(job.data.atlas->channels);
  for (auto& [values, neutral] : {std::pair{&whole->mean, 0.0}, std::pair{&whole->std, 1.0}}) {
    if (values->size() == 1) values->resize(own, values->front());
    values->resize(all, neutral);
  }
  return whole;
}

std::string_view name_of(Precision precision) { return precision == Precision::kBfloat16 ? "bf16" : "float32"; }

std::string_view name_of(OptimizerKind kind) {
  switch (kind) {
    case OptimizerKind::kSgd:
      return "sgd";
    case OptimizerKind::kAdam:
      return "adam";
    case OptimizerKind::kAdamW:
      return "adamw";
  }
  return "unknown";
}

std::string_view name_of(Weighting weighting) {
  switch (weighting) {
    case Weighting::kCohort:
      return "cohort";
    case Weighting::kPopulation:
      return "population";
  }
  return "unknown";
}

std::string_view name_of(SecureAggregation mode) {
  switch (mode) {
    case SecureAggregation::kRequired:
      return "required";
    case SecureAggregation::kOff:
      return "off";
  }
  return "unknown";
}

std::string_view name_of(Split split) {
  switch (split) {
    case Split::kTrain:
      return "train";
    case Split::kVal:
      return "val";
    case Split::kTest:
      return "test";
  }
  return "unknown";
}

bool evaluates_after(const JobSpec& job, std::uint32_t round) {
  const std::uint32_t every = job.evaluation.every;
  return every > 0 && round > 0 && (round % every == 0 || round == job.federation.rounds);
}

double learning_rate_at(const JobSpec& job, std::uint32_t round) {
  const LearningRateSchedule& schedule = job.training.schedule;
  const double start = job.training.optimizer.learning_rate;
  const std::uint32_t counted = schedule.rounds_before + std::max(round, 1U);
  if (counted <= schedule.warmup) return start * (counted / (schedule.warmup + 1.0));
  const std::uint32_t before = counted - 1 - schedule.warmup;
  switch (schedule.kind) {
    case ScheduleKind::kConstant:
      break;
    case ScheduleKind::kStep:
      return start * step_factor(schedule.factor, before / std::max(schedule.every, 1U));
    case ScheduleKind::kCosine: {
      const std::uint32_t rounds = std::max(schedule.rounds_before + job.federation.rounds, schedule.warmup + 1);
      const std::uint32_t last = rounds - 1 - schedule.warmup;
      if (last == 0) return start;
      const double done = static_cast<double>(std::min(before, last)) / static_cast<double>(last);
      return schedule.minimum + (start - schedule.minimum) * half_cosine(done);
    }
  }
  return start;
}

std::pair<double, double> learning_rates(const JobSpec& job) {
  const std::uint32_t rounds = job.federation.rounds;
  const LearningRateSchedule& schedule = job.training.schedule;
  const std::uint32_t warming = schedule.warmup - std::min(schedule.warmup, schedule.rounds_before);
  const std::uint32_t warm = std::min(warming + 1, rounds);
  auto [lowest, highest] =
      std::minmax({learning_rate_at(job, 1), learning_rate_at(job, warm), learning_rate_at(job, rounds)});
  double least = 1.0;
  double most = 1.0;
  for (const auto& [layer, factor] : job.training.learning_rates) {
    least = std::min(least, factor);
    most = std::max(most, factor);
  }
  return {lowest * least, highest * most};
}

double rate_factor(const RateFactors& factors, std::string_view tensor) {
  double factor = 1.0;
  std::size_t longest = 0;
  for (const auto& [word, value] : factors) {
    if (word.size() <= longest || !model::lies_in(tensor, word)) continue;
    longest = word.size();
    factor = value;
  }
  return factor;
}

double smallest_step(const JobSpec& job) {
  const double rate = learning_rates(job).first;
  if (!job.training.gradient_clip) return rate;
  const OptimizerSpec& optimizer = job.training.optimizer;
  const double unit = optimizer.kind == OptimizerKind::kSgd ? 1.0 : optimizer.epsilon;
  return rate * std::min(1.0, *job.training.gradient_clip / unit);
}

}  // namespace consilium::job
