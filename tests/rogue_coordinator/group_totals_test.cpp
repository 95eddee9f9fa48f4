// Mode `masked`: a model follows from the true sum, and north accepts and signs no other.
#include "common/encoding/fixed_point.h"
#include "tests/catch.h"
#include "tests/rogue_coordinator/group_stage.h"

namespace consilium::rogue {
namespace {

TEST_CASE("a total that isn't the true sum is refused, and ends the job for north") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  std::vector<GroupSum> sums = job.sums(SumKind::kTrain, 1);
  std::string why = "its tag doesn't match";
  SECTION("a word changed") { sums[0].words[17] += 1; }
  SECTION("two words exchanged") { std::swap(sums[0].words[0], sums[0].words[1]); }
  SECTION("words all zero") { std::ranges::fill(sums[0].words, 0U); }
  SECTION("the tag changed") { sums[0].tag ^= 1; }
  SECTION("the tag taken away") { sums[0].tag = 0; }
  SECTION("another attempt's words, which are as true") {
    // The vectors and therefore the words are the same; the tag belongs to the attempt.
    const GroupSum second = job.sums(SumKind::kTrain, 1, 2)[0];
    CHECK(second.words == sums[0].words);
    sums[0].tag = second.tag;
  }
  SECTION("under an attempt that north doesn't know") {
    sums[0].cohort[0] ^= 1;
    why = "under an attempt in which this site sent nothing";
  }
  SECTION("with a result that is said to be unusable") {
    const job::RoundOrder order = job.order(job.key(SumKind::kTrain, 1), 0);
    sums[0].words[order.layout.find(encoding::kUnusable)->offset] = 1;
    why = "a site's result was unusable, or the coordinator says so";
  }
  CHECK_FALSE(job.endorsement(job.total(SumKind::kTrain, 1, sums)).has_value());
  job.check_over(SumKind::kTrain, 1, why);
  check_quiet(stage);
}

TEST_CASE("a false census is refused, and ends the job for north") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.agree();
  std::vector<GroupSum> sums = job.sums(SumKind::kCensus, 0);
  sums[0].words[0] += 1;
  CHECK_FALSE(job.endorsement(job.total(SumKind::kCensus, 0, sums)).has_value());
  job.check_over(SumKind::kCensus, 0, "its tag doesn't match");
}

TEST_CASE("north signs one total of a round, and looks at no other") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  const std::vector<GroupSum> first = job.sums(SumKind::kTrain, 1);
  const wire::GroupTotal total = job.total(SumKind::kTrain, 1, first);
  REQUIRE(job.endorsement(total).has_value());
  CHECK(job.endorsement(total).has_value());                             // a repeated total is signed again
  const std::vector<GroupSum> second = job.sums(SumKind::kTrain, 1, 2);  // equally true, of the next attempt
  CHECK_FALSE(job.endorsement(job.total(SumKind::kTrain, 1, second)).has_value());
  job.check_over(SumKind::kTrain, 1, "this site has checked another total of this sum");
}

TEST_CASE("a total of groups that the job's quorum doesn't allow is refused") {
  Stage stage(two_groups());
  GroupJob job(stage, stage.job());
  job.begin();
  std::vector<GroupSum> sums = job.sums(SumKind::kTrain, 1);
  std::string why = "its tag doesn't match";
  SECTION("one group counted as two") {
    sums[1] = sums[0];
    sums[1].group = 1;
  }
  SECTION("the groups' attempts exchanged") {
    std::swap(sums[0].cohort, sums[1].cohort);
    why = "under an attempt in which this site sent nothing";
  }
  SECTION("a group that isn't there") {
    sums[1].group = 2;
    why = "the job has no group 2";
  }
  SECTION("one group of two, where three quarters are asked for") {
    sums.pop_back();
    why = "the sum covers 1 groups, but the job's quorum requires 2";
  }
  CHECK_FALSE(job.endorsement(job.total(SumKind::kTrain, 1, sums)).has_value());
  job.check_over(SumKind::kTrain, 1, why);
}

TEST_CASE("a total whose groups' tags were exchanged is the true one, so it is signed: their sum is all that counts") {
  Stage stage(two_groups());
  GroupJob job(stage, stage.job());
  job.begin();
  std::vector<GroupSum> sums = job.sums(SumKind::kTrain, 1);
  std::swap(sums[0].tag, sums[1].tag);
  CHECK(job.endorsement(job.total(SumKind::kTrain, 1, sums)).has_value());
}

TEST_CASE("nothing is signed in a job that is over, though the next total is true") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  std::vector<GroupSum> sums = job.sums(SumKind::kTrain, 1);
  const wire::GroupTotal total = job.total(SumKind::kTrain, 1, sums);
  const secagg::CommitStatement statement = job.statement(SumKind::kTrain, 1, sums);
  job.send(job.signed_by(statement, {"east"}));
  CHECK(stage.logged("1 sites of group 0 have signed; 3 are needed"));
  CHECK_FALSE(job.endorsement(total).has_value());
  CHECK(stage.logged("this site signs nothing more in the job"));
}

TEST_CASE("a false total ends the job though the coordinator takes job and connection away at once") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  std::vector<GroupSum> sums = job.sums(SumKind::kTrain, 1);
  sums[0].words[0] += 1;
  const wire::GroupTotal total = job.total(SumKind::kTrain, 1, sums);
  stage.send(total);
  stage.send(wire::JobEnded{"rogue-1", "stopped"});
  CHECK(stage.logged("its tag doesn't match"));
  REQUIRE(stage.offer("rogue-1", job.job()));
  job.check_over(SumKind::kTrain, 1, "its tag doesn't match");
}

/// Signers, or statements, that don't make a commit.
TEST_CASE("a commit that isn't one is refused, and ends the job for north") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  const std::vector<GroupSum> sums = job.sums(SumKind::kTrain, 1);
  secagg::CommitStatement statement = job.statement(SumKind::kTrain, 1, sums);
  secagg::SignedCommit commit = job.signed_by(statement, job.played());
  std::string why;
  SECTION("too few sign") {
    commit.signatures.pop_back();
    why = "2 sites of group 0 have signed; 3 are needed";
  }
  SECTION("a signature is over another model") {
    statement.model = stage.model(9);
    commit.signatures[2] = job.signed_by(statement, {commit.signatures[2].site}).signatures[0];
    why = "signature of " + commit.signatures[2].site;
  }
  SECTION("signed by keys that the authority made up") {
    const Credentials minted = stage.corrupt_authority().mint("east");
    commit.signatures[0] = {"east", minted.certificate, minted.signer->sign(secagg::commit_bytes(statement)).value()};
    why = "signature of east";
  }
  SECTION("of another round") {
    statement.round = 2;
    const secagg::SignedCommit other = job.signed_by(statement, job.played());
    stage.send(wire::RoundCommitted{job.key(SumKind::kTrain, 1), secagg::encode(other)});
    why = "the commit belongs to another sum";
  }
  SECTION("of another job") {
    statement.job[0] ^= 1;
    commit = job.signed_by(statement, job.played());
    why = "the commit belongs to another sum";
  }
  SECTION("another one than north has signed") {
    REQUIRE(job.endorsement(job.total(SumKind::kTrain, 1, sums)).has_value());
    statement.model = stage.model(9);
    commit = job.signed_by(statement, job.played());
    why = "another outcome is committed than this site has signed";
  }
  SECTION("a second one") {
    job.send(commit);
    statement.model = stage.model(9);
    commit = job.signed_by(statement, job.played());
    why = "another outcome is committed";
  }
  job.send(commit);
  job.check_over(SumKind::kTrain, 1, why);
  check_quiet(stage);
}

TEST_CASE("a site that was away takes the model by the others' signatures alone, and no other model") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  const crypto::Digest model = stage.model(5);
  const secagg::CommitStatement statement = job.outcome(1, model);
  job.send(job.signed_by(statement, job.played()));
  GroupAttempt first(job, SumKind::kTrain, 2);
  CHECK_FALSE(first.offer());  // the job's initial weights
  first.check_refused("the committed one");
  job.model = model;
  job.sums(SumKind::kTrain, 2, 2);
}

}  // namespace
}  // namespace consilium::rogue
