// Mode `masked`: only the job determines which function of north's data is summed, and how often.
#include "common/job/job_text.h"
#include "tests/catch.h"
#include "tests/rogue_coordinator/group_stage.h"

namespace consilium::rogue {
namespace {

using wire::JobAnswer;
using wire::JobConsent;

TEST_CASE("mode masked: an order that the job doesn't give is refused before anything is said") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  GroupAttempt attempt(job, SumKind::kTrain, 1);
  job::RoundOrder told = attempt.order();
  SECTION("N") { told.normaliser = kBound; }
  SECTION("batch size") { told.batch_size = 1; }
  SECTION("learning rate") { told.optimizer.learning_rate = 1e-30; }
  SECTION("clip") {
    job::JobSpec other = job.job();
    other.privacy.clip = 1e-6;
    told.layout = job::expected_order(other, attempt.key(), 0, job.model, 0)->layout;
  }
  SECTION("epochs") { told.local_epochs = 1; }
  SECTION("seed") { told.seed = 8; }
  SECTION("round") { told.round = 2; }
  SECTION("attempt") { told.attempt = 2; }
  SECTION("kind") { told.kind = SumKind::kEvaluate; }
  SECTION("group") { told.group = 1; }
  SECTION("job") { told.job[0] ^= 1; }
  SECTION("optimizer") { told.optimizer.kind = job::OptimizerKind::kAdam; }
  SECTION("momentum") { told.optimizer.momentum = 0.5; }
  SECTION("weight decay") { told.optimizer.weight_decay = 1e30; }
  SECTION("beta1") { told.optimizer.beta1 = 0.5; }
  SECTION("beta2") { told.optimizer.beta2 = 0.5; }
  SECTION("epsilon") { told.optimizer.epsilon = 1; }
  SECTION("mu") { told.proximal_mu = 1e30; }
  SECTION("time limit") { told.time_limit_ms = 1; }
  SECTION("partial work") { told.keep_partial = true; }
  SECTION("weighting") { told.weighting = job::Weighting::kPopulation; }
  CHECK_FALSE(attempt.offer(told));
  attempt.check_refused("the round order doesn't match the accepted job");
  check_quiet(stage);
}

TEST_CASE("mode masked: a census has the job's own order") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.agree();
  GroupAttempt attempt(job, SumKind::kCensus, 0);
  job::RoundOrder told = attempt.order();
  told.layout = task::census_layout(*task::make_task({}, 3).value(), {true, true}).value();
  CHECK_FALSE(attempt.offer(told));
  attempt.check_refused("the round order doesn't match the accepted job");
}

TEST_CASE("mode masked: an evaluation has the job's own order") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.agree();
  job.run(SumKind::kCensus, 0);
  job.run(SumKind::kTrain, 1);
  GroupAttempt attempt(job, SumKind::kEvaluate, 1);
  job::RoundOrder told = attempt.order();
  SECTION("split") { told.split = GENERATE(job::Split::kTrain, job::Split::kTest); }
  SECTION("words of an evaluation") {
    told.layout = task::evaluate_layout(*task::make_task({}, 3).value(), {true, true}).value();
  }
  CHECK_FALSE(attempt.offer(told));
  attempt.check_refused("the round order doesn't match the accepted job");
}

TEST_CASE("mode masked: the label counts of an order are those of the committed census, or nothing is given") {
  Stage stage(one_group());
  job::JobSpec spec = stage.job();
  spec.training.loss.balanced = true;
  GroupJob job(stage, spec);
  job.begin();
  const SumKind kind = GENERATE(SumKind::kTrain, SumKind::kEvaluate);
  if (kind == SumKind::kEvaluate) job.run(SumKind::kTrain, 1);
  REQUIRE_FALSE(job.labels.empty());
  const std::size_t given = stage.uploads().size();
  GroupAttempt attempt(job, kind, 1);
  job::RoundOrder told = attempt.order();
  SECTION("more examples") { ++told.labels.examples; }
  SECTION("another class") { told.labels.classes.front() = told.labels.classes.front() > 0 ? 0 : 1; }
  CHECK(attempt.offer(told));
  attempt.check_refused("the order's label counts aren't those of the job's committed census");
  CHECK(stage.uploads().size() == given);
}

TEST_CASE("mode masked: an order without the label counts of a job with balanced class weights is refused") {
  Stage stage(one_group());
  job::JobSpec spec = stage.job();
  spec.training.loss.balanced = true;
  GroupJob job(stage, spec);
  job.begin();
  GroupAttempt attempt(job, SumKind::kTrain, 1);
  job::RoundOrder told = attempt.order();
  told.labels = {};
  CHECK_FALSE(attempt.offer(told));
  attempt.check_refused("label counts: expected one for each of");
}

TEST_CASE("mode masked: a job runs under one id, so that no two sums of its orders differ by anything") {
  // The audit's first program asked for one job under many ids, each time with another N, and read every site from the
  // sums' changes of slope. Here the second id gets nothing, and neither does another N under the first.
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  const std::size_t given = stage.uploads().size();
  const wire::JobOffer offer{"rogue-2", job::canonical_text(job.job()), Stage::sign(stage.ada(), job.digest())};
  CHECK(stage.answer_to(offer) == JobAnswer{"rogue-2", JobConsent::kDeclined, "job_id"});
  for (std::uint64_t normaliser = 1; normaliser <= 3; ++normaliser) {
    for (const std::string id : {"rogue-1", "rogue-2"}) {
      // Not attempt 1, because a refusal of it would look like that of the total.
      const job::SessionKey key{id, SumKind::kTrain, 1, static_cast<std::uint32_t>(normaliser) + 1};
      job::RoundOrder order = job.order(key, 0);
      order.normaliser = normaliser;
      stage.expect_upload(key, order.layout.word_count() + 2);
      stage.send(wire::SessionOffer{key, job::encode(order), stage.model_bytes()});
      CHECK(stage.refusal(key).has_value());
    }
  }
  CHECK(stage.uploads().size() == given);
  job.run(SumKind::kTrain, 1, 7);  // orders that the job gives still work
  CHECK(stage.uploads().size() == given + 1);
}

TEST_CASE("mode masked: a model that isn't the job's first, or isn't the committed one, is refused") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  std::uint32_t round = 1;
  SECTION("in round 1") {}
  SECTION("in round 2") {
    job.run(SumKind::kTrain, 1);
    round = 2;
  }
  GroupAttempt attempt(job, SumKind::kTrain, round);
  job::RoundOrder told = attempt.order();
  told.model = stage.model(3);
  CHECK_FALSE(attempt.offer(told));
  attempt.check_refused("the order names the model");
  check_quiet(stage);
}

TEST_CASE("mode masked: evaluations occur where the job says, over the committed model") {
  Stage stage(one_group());
  job::JobSpec spec = stage.job();
  spec.evaluation.every = 2;
  GroupJob job(stage, spec);
  job.begin();
  job.run(SumKind::kTrain, 1);
  GroupAttempt attempt(job, SumKind::kEvaluate, 1);
  CHECK_FALSE(attempt.offer());
  attempt.check_refused("the job evaluates every 2 rounds, not after this one");
  job.run(SumKind::kTrain, 2);
  GroupAttempt other(job, SumKind::kEvaluate, 2);
  job::RoundOrder told = other.order();
  told.model = stage.model(3);
  CHECK_FALSE(other.offer(told));
  other.check_refused("the order names the model");
  job.sums(SumKind::kEvaluate, 2, 2);
}

TEST_CASE("mode masked: a job has one census, before its rounds") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  GroupAttempt attempt(job, SumKind::kCensus, 2);
  CHECK_FALSE(attempt.offer());
  attempt.check_refused("a job in mode masked has one census, of round 0");
  GroupAttempt again(job, SumKind::kCensus, 0, 2);
  CHECK_FALSE(again.offer());
  again.check_refused("this sum or a later one is committed");
}

TEST_CASE("mode masked: a round begins when the one before is committed, and not before") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.agree();
  std::uint32_t round = 1;
  SECTION("the first, without a census") {}
  SECTION("the first, with a census that isn't committed") { job.sums(SumKind::kCensus, 0); }
  SECTION("the second, with a first that isn't committed") {
    job.run(SumKind::kCensus, 0);
    job.sums(SumKind::kTrain, 1);
    round = 2;
  }
  GroupAttempt attempt(job, SumKind::kTrain, round);
  CHECK_FALSE(attempt.offer());
  attempt.check_refused("this site knows of no commit of");
  check_quiet(stage);
}

TEST_CASE("mode masked: nothing is said before the sites have a key") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  GroupAttempt attempt(job, SumKind::kCensus, 0);
  CHECK_FALSE(attempt.offer());
  attempt.check_refused("haven't agreed on a key yet");
}

TEST_CASE("mode masked: what is committed has no other attempt, nor has what was before") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  SECTION("that round, after its commit") {
    job.run(SumKind::kTrain, 1);
    GroupAttempt attempt(job, SumKind::kTrain, 1, 2);
    CHECK_FALSE(attempt.offer());
    attempt.check_refused("this sum or a later one is committed");
  }
  SECTION("an earlier one, of which north knows the next one's commit alone") {
    GroupAttempt attempt(job, SumKind::kTrain, 1);
    const secagg::CommitStatement later = job.outcome(2, stage.model(5));
    job.send(job.signed_by(later, job.played()));
    CHECK_FALSE(attempt.offer());
    attempt.check_refused("this sum or a later one is committed");
  }
  SECTION("an attempt that had begun") {
    GroupAttempt attempt(job, SumKind::kTrain, 1);
    REQUIRE(attempt.offer());
    job.send(job.signed_by(job.outcome(1, stage.model(5)), job.played()));
    attempt.list();
    CHECK_FALSE(attempt.upload().has_value());
  }
  SECTION("an attempt that had begun, when the next round is committed") {
    GroupAttempt attempt(job, SumKind::kTrain, 1);
    REQUIRE(attempt.offer());
    job.send(job.signed_by(job.outcome(2, stage.model(5)), job.played()));
    attempt.list();
    CHECK_FALSE(attempt.upload().has_value());
    attempt.check_refused("this sum or a later one is already committed");
  }
}

TEST_CASE("mode masked: attempts at a sum rise, over a restart too") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  GroupAttempt second(job, SumKind::kTrain, 1, 2);
  REQUIRE(second.offer());
  const bool restarted = GENERATE(false, true);
  if (restarted) {
    stage.restart_client();
    REQUIRE(stage.offer("rogue-1", job.job()));
  }
  GroupAttempt first(job, SumKind::kTrain, 1, restarted ? 2 : 1);
  CHECK_FALSE(first.offer());
  CHECK(stage.logged("attempt 2 has already begun"));
  CHECK(stage.uploads().size() == 1);  // the census
}

TEST_CASE("mode masked: a site with more examples than the bound gives nothing") {
  StageOptions options = one_group();
  options.examples = kBound + 1;
  Stage stage(options);
  GroupJob job(stage, stage.job());
  job.agree();
  GroupAttempt attempt(job, SumKind::kCensus, 0);
  REQUIRE(attempt.offer());
  attempt.list();
  CHECK(stage.logged("declined job rogue-1: this site had 41"));
  std::optional<wire::JobAnswer> answer;
  for (const wire::SiteMessage& message : stage.said()) {
    if (const auto* found = std::get_if<wire::JobAnswer>(&message)) answer = *found;
  }
  REQUIRE(answer.has_value());
  CHECK(answer->consent == wire::JobConsent::kDeclined);
  CHECK(answer->reason == "examples");  // one bit, and no number
  CHECK(stage.uploads().empty());
}

}  // namespace
}  // namespace consilium::rogue
