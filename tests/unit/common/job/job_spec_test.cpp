#include "common/job/job_spec.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "common/job/learning_rates.h"

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

TEST_CASE("kinds have the names that jobs write") {
  CHECK(name_of(OptimizerKind::kAdamW) == "adamw");
  CHECK(name_of(StrategyKind::kFedProx) == "fedprox");
  CHECK(name_of(Weighting::kPopulation) == "population");
  CHECK(name_of(SecureAggregation::kOff) == "off");
  CHECK(name_of(Split::kVal) == "val");
}

TEST_CASE("the lowest and the highest learning rate are those of the first and the last round") {
  JobSpec job;
  job.training.optimizer.learning_rate = 0.5;
  job.federation.rounds = 20;
  SECTION("constant") { CHECK(learning_rates(job) == std::pair(0.5, 0.5)); }
  SECTION("falling in steps") { job.training.schedule = {ScheduleKind::kStep, 3, 0.5, 0.0}; }
  SECTION("falling as a cosine") { job.training.schedule = {ScheduleKind::kCosine, 1, 1.0, 0.01}; }
  const auto [lowest, highest] = learning_rates(job);
  for (std::uint32_t round = 1; round <= job.federation.rounds; ++round) {
    CHECK(learning_rate_at(job, round) >= lowest);
    CHECK(learning_rate_at(job, round) <= highest);
  }
}

}  // namespace
}  // namespace consilium::job
