// Mode `masked`: a job's examples are fixed when it starts, and the client decides only once whether a site has too
// many.
#include "tests/catch.h"
#include "tests/rogue_coordinator/group_stage.h"

namespace consilium::rogue {
namespace {

/// Makes north's trainer read its data set again in the middle of a job.
void read_again(Stage& stage, const GroupJob& job, bool restarted) {
  if (restarted) {
    stage.restart_client();
    REQUIRE(stage.offer("rogue-1", job.job()));
  } else {
    job::JobSpec other = job.job();
    other.seed = 8;
    REQUIRE(stage.offer("rogue-2", other));  // which makes the client look at the files again
  }
}

/// Expects that north hides behind a vector of uniform words, which says that a result is unusable.
void check_hidden(Stage& stage, const GroupJob& job, const job::RoundOrder& order, const GroupSum& sum) {
  const Words hidden = GroupAttempt::hidden(job, order, sum);
  CHECK(hidden[order.layout.find(encoding::kUnusable)->offset] == 1);
  CHECK_FALSE(looks_plain(hidden));
  for (const wire::SiteMessage& message : stage.said()) {
    CHECK_FALSE(std::holds_alternative<wire::SessionFailed>(message));
    const auto* answer = std::get_if<wire::JobAnswer>(&message);
    CHECK((answer == nullptr || answer->consent != wire::JobConsent::kDeclined));
  }
  CHECK(stage.logged("has changed since the job began: it had 40 training, 16 validation and 16 test examples"));
}

TEST_CASE("mode masked: where a data set changes in the middle of a job, no sum shows by how much") {
  // Two sums of one group's examples, before and after, would reveal the change at the site whose data have changed.
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  SECTION("fewer examples") { stage.give_data(kBound - 1); }
  SECTION("more examples than the bound") { stage.give_data(kBound + 1); }
  SECTION("other validation examples") { stage.give_data(kBound, kValidation - 1); }
  SECTION("as many, of other classes") { stage.give_data(kBound, kValidation, 4); }
  read_again(stage, job, true);
  const job::RoundOrder order = job.order(job.key(SumKind::kTrain, 1), 0);
  const std::vector<GroupSum> sums = job.sums(SumKind::kTrain, 1);
  check_hidden(stage, job, order, sums[0]);
  CHECK_FALSE(job.endorsement(job.total(SumKind::kTrain, 1, sums)).has_value());
  job.check_over(SumKind::kTrain, 1, "a site's result was unusable, or the coordinator says so");
}

TEST_CASE("mode masked: the data are the job's own in every sum, also where the trainer reads them for another job") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  SECTION("training") {
    stage.give_data(kBound - 1);
    read_again(stage, job, false);
    check_hidden(stage, job, job.order(job.key(SumKind::kTrain, 1), 0), job.sums(SumKind::kTrain, 1)[0]);
  }
  SECTION("evaluation") {
    job.run(SumKind::kTrain, 1);
    stage.give_data(kBound, kValidation - 1);
    read_again(stage, job, false);
    check_hidden(stage, job, job.order(job.key(SumKind::kEvaluate, 1), 0), job.sums(SumKind::kEvaluate, 1)[0]);
  }
  SECTION("but a data set that holds what it held goes on") {
    stage.change_data();
    read_again(stage, job, false);
    const job::RoundOrder order = job.order(job.key(SumKind::kTrain, 1), 0);
    const Words hidden = GroupAttempt::hidden(job, order, job.run(SumKind::kTrain, 1)[0]);
    CHECK(count_in(hidden, order, encoding::kExamples) == kBound);
  }
}

TEST_CASE("mode masked: an evaluation that was unusable and is kept quiet doesn't show at whom by the next round") {
  // No model follows from an evaluation, so a coordinator can continue the job and see which site refuses.
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  job.run(SumKind::kTrain, 1);
  stage.give_data(kBound, kValidation - 1);
  read_again(stage, job, false);
  check_hidden(stage, job, job.order(job.key(SumKind::kEvaluate, 1), 0), job.sums(SumKind::kEvaluate, 1)[0]);
  stage.give_data(kBound);  // and a person at the site corrects the data
  read_again(stage, job, true);
  const job::RoundOrder order = job.order(job.key(SumKind::kTrain, 2), 0);
  const std::vector<GroupSum> sums = job.sums(SumKind::kTrain, 2);
  CHECK(count_in(sums[0].words, order, encoding::kUnusable) == 1);
  CHECK_FALSE(looks_plain(GroupAttempt::hidden(job, order, sums[0])));
  for (const wire::SiteMessage& message : stage.said())
    CHECK_FALSE(std::holds_alternative<wire::SessionFailed>(message));
  CHECK_FALSE(job.endorsement(job.total(SumKind::kTrain, 2, sums)).has_value());
  job.check_over(SumKind::kTrain, 2, "a site's result was unusable, or the coordinator says so");
}

TEST_CASE("mode masked: whether a site has more examples than the bound is decided once, over a restart too") {
  StageOptions options = one_group();
  options.examples = kBound + 1;
  Stage stage(options);
  GroupJob job(stage, stage.job());
  job.agree();
  const auto declined = [&] {
    return stage
        .next<wire::JobAnswer>([](const wire::JobAnswer& answer) {
          return answer.consent == wire::JobConsent::kDeclined && answer.reason == "examples";
        })
        .has_value();
  };
  GroupAttempt first(job, SumKind::kCensus, 0);
  REQUIRE(first.offer());
  CHECK(declined());
  // If north compared again with other data, its consent would reveal how many examples it has.
  stage.give_data(kBound);
  stage.restart_client();
  REQUIRE(stage.offer("rogue-1", job.job()));
  GroupAttempt second(job, SumKind::kCensus, 0, 2);
  REQUIRE(second.offer());
  CHECK(declined());
  CHECK(stage.uploads().empty());
  // Another job starts with the data as they are.
  job::JobSpec spec = job.job();
  spec.seed = 8;
  GroupJob other(stage, spec, "rogue-2");
  other.agree();
  const job::RoundOrder order = other.order(other.key(SumKind::kCensus, 0), 0);
  const Words hidden = GroupAttempt::hidden(other, order, other.sums(SumKind::kCensus, 0)[0]);
  CHECK(count_in(hidden, order, encoding::kUnusable) == 0);
}

}  // namespace
}  // namespace consilium::rogue
