#include "common/job/job_spec.h"

#include <cmath>

#include "common/job/learning_rates.h"
#include "tests/catch.h"

namespace consilium::job {
namespace {

JobSpec scheduled(ScheduleKind kind) {
  JobSpec job;
  job.federation.rounds = 21;
  job.training.optimizer.learning_rate = 0.5;
  job.training.schedule.kind = kind;
  return job;
}

TEST_CASE("a constant learning rate stays") {
  const JobSpec job = scheduled(ScheduleKind::kConstant);
  CHECK(learning_rate_at(job, 1) == 0.5);
  CHECK(learning_rate_at(job, 21) == 0.5);
}

TEST_CASE("a step schedule multiplies after every so many rounds") {
  JobSpec job = scheduled(ScheduleKind::kStep);
  job.training.schedule.every = 5;
  job.training.schedule.factor = 0.5;
  CHECK(learning_rate_at(job, 1) == 0.5);
  CHECK(learning_rate_at(job, 5) == 0.5);
  CHECK(learning_rate_at(job, 6) == 0.25);
  CHECK(learning_rate_at(job, 10) == 0.25);
  CHECK(learning_rate_at(job, 11) == 0.125);
}

TEST_CASE("a cosine schedule falls from the learning rate to its minimum at the last round") {
  JobSpec job = scheduled(ScheduleKind::kCosine);
  job.training.schedule.minimum = 0.1;
  CHECK(learning_rate_at(job, 1) == 0.5);
  CHECK(learning_rate_at(job, 21) == 0.1);
  for (std::uint32_t round = 1; round <= 21; ++round) {
    const double expected = 0.1 + 0.4 * (1.0 + std::cos(3.14159265358979323846 * (round - 1) / 20.0)) / 2.0;
    CHECK(learning_rate_at(job, round) == Approx(expected).epsilon(1e-14));
    if (round > 1) CHECK(learning_rate_at(job, round) < learning_rate_at(job, round - 1));
  }
  job.federation.rounds = 1;
  CHECK(learning_rate_at(job, 1) == 0.5);
}

TEST_CASE("a warm-up rises in equal steps to the learning rate, and the schedule begins after it") {
  const auto kind = GENERATE(ScheduleKind::kConstant, ScheduleKind::kStep, ScheduleKind::kCosine);
  JobSpec plain = scheduled(kind);
  plain.training.schedule.every = 5;
  plain.training.schedule.factor = 0.5;
  plain.training.schedule.minimum = 0.1;
  JobSpec warm = plain;
  warm.training.schedule.warmup = 4;
  warm.federation.rounds = plain.federation.rounds + 4;
  for (std::uint32_t round = 1; round <= 4; ++round) CHECK(learning_rate_at(warm, round) == 0.5 * (round / 5.0));
  for (std::uint32_t round = 1; round <= 21; ++round)
    CHECK(learning_rate_at(warm, round + 4) == learning_rate_at(plain, round));
  CHECK(learning_rate_at(warm, 5) == 0.5);
}

TEST_CASE("a job that goes on where another one ended has the rates that one job of all rounds would have") {
  const auto kind = GENERATE(ScheduleKind::kConstant, ScheduleKind::kStep, ScheduleKind::kCosine);
  JobSpec whole = scheduled(kind);
  whole.training.schedule.every = 5;
  whole.training.schedule.factor = 0.5;
  whole.training.schedule.minimum = 0.1;
  whole.training.schedule.warmup = 4;
  for (const std::uint32_t before : {1U, 3U, 4U, 9U, 20U}) {
    JobSpec rest = whole;
    rest.federation.rounds = whole.federation.rounds - before;
    rest.training.schedule.rounds_before = before;
    double lowest = 1.0;
    double highest = 0.0;
    for (std::uint32_t round = 1; round <= rest.federation.rounds; ++round) {
      CHECK(learning_rate_at(rest, round) == learning_rate_at(whole, before + round));
      lowest = std::min(lowest, learning_rate_at(rest, round));
      highest = std::max(highest, learning_rate_at(rest, round));
    }
    CHECK(learning_rates(rest) == std::pair(lowest, highest));
  }
}

TEST_CASE("kinds have the names that jobs write") {
  CHECK(name_of(OptimizerKind::kAdamW) == "adamw");
  CHECK(name_of(Weighting::kPopulation) == "population");
  CHECK(name_of(SecureAggregation::kOff) == "off");
  CHECK(name_of(Split::kVal) == "val");
}

TEST_CASE("a layer's learning rate is the rate times the factor of the longest word that names it") {
  const RateFactors factors{{"layer1", 0.1}, {"layer1.1", 0.5}, {"fc", 10.0}};
  CHECK(rate_factor(factors, "layer1.0.conv1.weight") == 0.1);
  CHECK(rate_factor(factors, "layer1.1.conv1.weight") == 0.5);
  CHECK(rate_factor(factors, "layer1.10.conv1.weight") == 0.1);
  CHECK(rate_factor(factors, "layer10.0.conv1.weight") == 1.0);
  CHECK(rate_factor(factors, "fc.bias") == 10.0);
  CHECK(rate_factor({}, "fc.bias") == 1.0);
  JobSpec job;
  job.training.optimizer.learning_rate = 0.5;
  job.training.learning_rates = factors;
  CHECK(learning_rates(job) == std::pair(0.5 * 0.1, 5.0));
  CHECK(smallest_step(job) == 0.5 * 0.1);
  job.training.learning_rates = {{"fc", 10.0}};
  CHECK(learning_rates(job) == std::pair(0.5, 5.0));
}

TEST_CASE("a gradient clip makes the smallest step smaller where the optimiser follows the gradient's size") {
  JobSpec job;
  job.training.optimizer = {OptimizerKind::kSgd, 0.5};
  CHECK(smallest_step(job) == 0.5);
  job.training.gradient_clip = 4.0;
  CHECK(smallest_step(job) == 0.5);
  job.training.gradient_clip = 0.125;
  CHECK(smallest_step(job) == 0.0625);
  job.training.optimizer = {OptimizerKind::kAdam, 0.5, 0.0, 0.0, 0.9, 0.999, 0.25};
  CHECK(smallest_step(job) == 0.25);
  job.training.optimizer.epsilon = 1e-8;
  CHECK(smallest_step(job) == 0.5);
}

TEST_CASE("the lowest and the highest learning rate are among those of the first, the first full and the last round") {
  JobSpec job;
  job.training.optimizer.learning_rate = 0.5;
  job.federation.rounds = 20;
  SECTION("constant") { CHECK(learning_rates(job) == std::pair(0.5, 0.5)); }
  SECTION("falling in steps") { job.training.schedule = {ScheduleKind::kStep, 3, 0.5, 0.0}; }
  SECTION("falling as a cosine") { job.training.schedule = {ScheduleKind::kCosine, 1, 1.0, 0.01}; }
  SECTION("rising first") {
    job.training.schedule = {ScheduleKind::kCosine, 1, 1.0, 0.01, 4};
    CHECK(learning_rates(job) == std::pair(0.01, 0.5));
    job.training.schedule.minimum = 0.4;
    CHECK(learning_rates(job) == std::pair(0.5 * (1 / 5.0), 0.5));
  }
  const auto [lowest, highest] = learning_rates(job);
  for (std::uint32_t round = 1; round <= job.federation.rounds; ++round) {
    CHECK(learning_rate_at(job, round) >= lowest);
    CHECK(learning_rate_at(job, round) <= highest);
  }
}

}  // namespace
}  // namespace consilium::job
