// Mode `masked`: ways in which the terms of a job could make one hospital reveal something about itself by name.
#include <optional>

#include "common/encoding/vector_layout.h"
#include "tests/catch.h"
#include "tests/rogue_coordinator/group_stage.h"

namespace consilium::rogue {
namespace {

/// Asks north, by a job with a bound of its own, whether it has more training examples. Returns nullopt if north takes
/// no part in the job at all.
std::optional<bool> has_more_than(Stage& stage, std::uint64_t bound) {
  job::PopulationTerms terms = stage.terms();
  terms.examples = bound;
  job::JobSpec asking = stage.job(terms);
  asking.seed = bound;  // another bound makes another job, which a person approves
  const std::string id = "rogue-" + std::to_string(bound);
  if (!stage.offer(id, asking)) return std::nullopt;
  GroupJob job(stage, asking, id);
  job.agree();
  GroupAttempt census(job, SumKind::kCensus, 0);
  REQUIRE(census.offer());
  census.list();
  const auto declines = [&](const wire::JobAnswer& answer) {
    return answer.job_id == id && answer.consent == wire::JobConsent::kDeclined && answer.reason == "examples";
  };
  return stage.next<wire::JobAnswer>(declines, std::chrono::seconds(2)).has_value();
}

TEST_CASE("jobs with bounds of their own don't find out how many examples a hospital has") {
  // A coordinator and a researcher search for the number by bisection: a site with more than a job's bound reveals it
  // by name.
  StageOptions options = one_group();
  options.examples = 29;
  Stage stage(options);
  std::uint64_t low = 0;
  std::uint64_t high = kBound;
  while (low + 1 < high) {
    const std::uint64_t bound = (low + high) / 2;
    const auto more = has_more_than(stage, bound);
    CHECK_FALSE(more.has_value());
    if (!more) {
      CHECK(stage.logged("the bound of examples is " + std::to_string(bound) + " in the job, and 40 in the roster"));
      break;
    }
    (*more ? low : high) = bound;
  }
  INFO("north has more than " << low << " examples, and " << high << " at most");
  CHECK(high - low > 1);
}

TEST_CASE("a hospital whose data don't fit a job hides that they are its own") {
  // With jobs of 2, 3, 4 ... classes a coordinator and a researcher would find out which labels each hospital has.
  StageOptions options = one_group();
  SECTION("labels beyond the model's classes") { options.labels = 3; }
  SECTION("no example of training") { options.examples = 0; }
  Stage stage(options);
  GroupJob job(stage, stage.job());
  job.agree();
  const job::RoundOrder order = job.order(job.key(SumKind::kCensus, 0), 0);
  const GroupSum sum = job.sums(SumKind::kCensus, 0)[0];
  CHECK(count_in(sum.words, order, encoding::kUnusable) == 1);
  CHECK(looks_plain(GroupAttempt::hidden(job, order, sum)) == false);
  for (const wire::SiteMessage& message : stage.said())
    CHECK_FALSE(std::holds_alternative<wire::SessionFailed>(message));
  check_quiet(stage);
  GroupAttempt round(job, SumKind::kTrain, 1);
  CHECK_FALSE(round.offer());
}

TEST_CASE("an update that is clipped nearly everywhere is unusable, for its sum would give each hospital's signs") {
  // Each site contributes n_i C with its sign at every coordinate. One sum of four hospitals then reveals every n_i,
  // and with these every sign.
  Stage stage(one_group());
  job::JobSpec spec = stage.job();
  SECTION("by a learning rate that throws everything beyond the clip") {
    spec.training.optimizer.learning_rate = 1e9;
    spec.training.local_epochs = 1;
    spec.training.batch_size = kBound;
  }
  SECTION("by a clip that cuts everything") { spec.privacy.clip = 1.0 / (1 << 20); }
  GroupJob job(stage, spec);
  job.begin();
  const job::RoundOrder order = job.order(job.key(SumKind::kTrain, 1), 0);
  const GroupSum sum = job.sums(SumKind::kTrain, 1)[0];
  CHECK(count_in(sum.words, order, encoding::kUnusable) == 1);
  CHECK_FALSE(looks_plain(GroupAttempt::hidden(job, order, sum)));
  CHECK(stage.logged("coordinates exceed the clip"));
}

TEST_CASE("an update of signs alone is unusable, as one step of Adam gives it") {
  StageOptions options = one_group();
  options.trainer = ", --signs, \"1\"";
  options.classes = 160;
  Stage stage(options);
  GroupJob job(stage, stage.job());
  job.begin();
  const job::RoundOrder order = job.order(job.key(SumKind::kTrain, 1), 0);
  const GroupSum sum = job.sums(SumKind::kTrain, 1)[0];
  CHECK(count_in(sum.words, order, encoding::kUnusable) == 1);
  CHECK_FALSE(looks_plain(GroupAttempt::hidden(job, order, sum)));
  CHECK(stage.logged("the update's changes have few sizes"));
}

TEST_CASE("a trainer tells the coordinator nothing by the way in which it fails") {
  // The trainer chooses one of two codes by the label of an example, a different example in each attempt.
  StageOptions options = one_group();
  options.trainer = ", --tell-labels, \"1\"";
  Stage stage(options);
  GroupJob job(stage, stage.job());
  job.begin();
  std::vector<ErrorCode> told;
  for (std::uint32_t attempt = 1; attempt <= 6; ++attempt) {
    GroupAttempt one(job, SumKind::kTrain, 1, attempt);
    REQUIRE(one.offer());
    one.list();
    const auto failed = stage.refusal(one.key());
    REQUIRE(failed.has_value());
    told.push_back(failed->code);
  }
  CHECK(told == std::vector<ErrorCode>(6, ErrorCode::kInternal));
  check_quiet(stage);
}

}  // namespace
}  // namespace consilium::rogue
