// Mode `masked`: the job's public seed determines which groups a round is over, and a site holds the coordinator to it.
#include "common/job/cohort_draw.h"
#include "tests/catch.h"
#include "tests/rogue_coordinator/group_stage.h"

namespace consilium::rogue {
namespace {

using Indices = std::vector<std::uint32_t>;

const Indices kNorths{0}, kOthers{1};

/// A job over two groups. Each round draws one of them: these in rounds 1 and 2.
job::JobSpec drawing(const Stage& stage, const Indices& first, const Indices& second) {
  job::JobSpec spec = stage.job();
  spec.federation.fraction = 0.5;
  const Indices counted{0, 1};
  const auto drawn = [&](std::uint32_t round) {
    return job::groups_summed(job::group_draw(spec), SumKind::kTrain, round, counted);
  };
  while (drawn(1) != first || drawn(2) != second) ++spec.seed;
  return spec;
}

TEST_CASE("mode masked: a round that doesn't draw north's group gets nothing of it") {
  Stage stage(two_groups());
  GroupJob job(stage, drawing(stage, kOthers, kNorths));
  job.begin();
  const std::size_t given = stage.uploads().size();
  GroupAttempt attempt(job, SumKind::kTrain, 1);
  CHECK_FALSE(attempt.offer());
  attempt.check_refused("the job's seed doesn't draw this site's group in round 1");
  CHECK(stage.uploads().size() == given);
  // The round continues without north. North signs the result, and takes part in the evaluation and in the next round.
  CHECK(job.run(SumKind::kTrain, 1).size() == 1);
  CHECK(job.sums(SumKind::kEvaluate, 1).size() == 2);
  CHECK(job.run(SumKind::kTrain, 2)[0].group == 0);
  check_quiet(stage);
}

TEST_CASE("mode masked: a total that counts a group which the round doesn't draw is refused, and ends the job") {
  Stage stage(two_groups());
  GroupJob job(stage, drawing(stage, kNorths, kOthers));
  job.begin();
  std::vector<GroupSum> sums = job.sums(SumKind::kTrain, 1);
  REQUIRE(sums.size() == 1);
  SECTION("beside the one that is drawn") { sums.push_back(job.played_sum(SumKind::kTrain, 1, 1)); }
  SECTION("in its place") { sums[0] = job.played_sum(SumKind::kTrain, 1, 1); }
  CHECK_FALSE(job.endorsement(job.total(SumKind::kTrain, 1, sums)).has_value());
  job.check_over(SumKind::kTrain, 1, "the sum counts group 1, which the job's seed doesn't draw in train 1");
  check_quiet(stage);
}

TEST_CASE("mode masked: a commit with a group that its round doesn't draw is refused, whoever signed it") {
  Stage stage(two_groups());
  GroupJob job(stage, drawing(stage, kNorths, kOthers));
  job.begin();
  std::vector<GroupSum> sums = job.sums(SumKind::kTrain, 1);
  SECTION("beside the one that is drawn") { sums.push_back(job.played_sum(SumKind::kTrain, 1, 1)); }
  SECTION("in its place") { sums[0] = job.played_sum(SumKind::kTrain, 1, 1); }
  job.send(job.signed_by(job.statement(SumKind::kTrain, 1, sums), job.played()));
  job.check_over(SumKind::kTrain, 1, "the sum counts group 1, which the job's seed doesn't draw in train 1");
  check_quiet(stage);
}

TEST_CASE("mode masked: a group that the census doesn't count is in no sum that follows") {
  StageOptions options;
  options.sites = {"amber", "basel", "cairo", "east", "north", "south", "ulm", "vienna", "york"};
  options.groups = {{"east", "north", "south"}, {"amber", "basel", "cairo"}, {"ulm", "vienna", "york"}};
  Stage stage(options);
  GroupJob job(stage, stage.job());
  job.agree();
  const auto commit = [&](SumKind kind, std::uint32_t round, const crypto::Digest& model) {
    secagg::CommitStatement statement{job.digest(), kind, round, {{1, model}, {2, model}}, model, job.digest()};
    job.send(job.signed_by(statement, {"amber", "basel", "cairo", "ulm", "vienna", "york"}));
  };
  commit(SumKind::kCensus, 0, stage.model(4));
  GroupAttempt training(job, SumKind::kTrain, 1);
  CHECK_FALSE(training.offer());
  training.check_refused("this site's group isn't in the job's census");
  job.model = stage.model(5);
  commit(SumKind::kTrain, 1, job.model);
  GroupAttempt evaluation(job, SumKind::kEvaluate, 1);
  CHECK_FALSE(evaluation.offer());
  evaluation.check_refused("this site's group isn't in the job's census");
  CHECK(stage.uploads().empty());
}

TEST_CASE("mode masked: a commit counts once north knows whom its round draws, and before nothing comes of it") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.agree();
  const std::vector<GroupSum> census = job.sums(SumKind::kCensus, 0);
  const secagg::CommitStatement counted = job.statement(SumKind::kCensus, 0, census);
  const crypto::Digest model = stage.model(5);
  const secagg::SignedCommit round = job.signed_by(job.outcome(1, model), job.played());
  job.send(round);
  CHECK(stage.logged("this site knows of no committed census of the job"));
  job.model = model;
  GroupAttempt early(job, SumKind::kTrain, 2);
  CHECK_FALSE(early.offer());
  early.check_refused("this site knows of no commit of");
  // What a site receives when it comes back: first the census, then the last round.
  job.send(job.signed_by(counted, job.played()));
  job.send(round);
  job.sums(SumKind::kTrain, 2, 2);
}

}  // namespace
}  // namespace consilium::rogue
