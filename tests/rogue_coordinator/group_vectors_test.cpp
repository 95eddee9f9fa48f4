// Mode `masked`: every attempt at a sum hides the same vector, under masks and tags of its own.
#include <filesystem>

#include "common/secagg/sum_keys.h"
#include "common/secagg/tag.h"
#include "tests/catch.h"
#include "tests/rogue_coordinator/group_stage.h"

namespace consilium::rogue {
namespace {

namespace fs = std::filesystem;

/// Returns true if the sum's tag fits its words under the key that the played sites agreed on.
bool fits(const GroupJob& job, const GroupSum& sum, SumKind kind, std::uint32_t round) {
  std::vector<secagg::GroupTag> tags;
  tags.push_back({job.groups()[sum.group].size(),
                  secagg::tag_offset(job.agreed, kind, round, sum.group, sum.cohort).value(), sum.tag});
  const auto value = secagg::accumulate_tag(secagg::tag_key(job.agreed, kind, round).value(), sum.words).value();
  return secagg::check_tag(value, tags);
}

fs::path sealed_vector(Stage& stage) {
  for (const auto& entry : fs::directory_iterator(stage.folder() / "state" / "sums")) {
    if (entry.path().extension() == ".sealed") return entry.path();
  }
  FAIL("north has sealed no vector");
  return {};
}

/// A job whose first vector north has sent. North was then killed and restarted with other data.
struct AfterACrash {
  Stage stage{one_group()};
  GroupJob job{stage, stage.job()};
  GroupSum first;

  AfterACrash() {
    job.begin();
    first = job.sums(SumKind::kTrain, 1)[0];
    stage.kill_client();
    stage.change_data();
    stage.start_client();
    REQUIRE(stage.offer("rogue-1", job.job()));
  }
};

TEST_CASE("after a crash the next attempt hides the vector that has left, though training would give another") {
  AfterACrash after;
  auto& [stage, job, first] = after;
  const job::RoundOrder order = job.order(job.key(SumKind::kTrain, 1), 0);
  const GroupSum second = job.sums(SumKind::kTrain, 1, 2)[0];
  CHECK(GroupAttempt::hidden(job, order, first) == GroupAttempt::hidden(job, order, second));
  const auto uploads = stage.uploads();
  CHECK(uploads.at(testing::upload_name(kNorth, job.key(SumKind::kTrain, 1, 1))) !=
        uploads.at(testing::upload_name(kNorth, job.key(SumKind::kTrain, 1, 2))));
  job.run(SumKind::kTrain, 1, 3);
  // The next round's vector is of the new data.
  const GroupSum next = job.sums(SumKind::kTrain, 2)[0];
  CHECK(GroupAttempt::hidden(job, order, first) != GroupAttempt::hidden(job, order, next));
}

TEST_CASE("after a crash the next attempt hides no vector where the one that has left is lost") {
  AfterACrash after;
  auto& [stage, job, first] = after;
  std::string why;
  SECTION("its file is gone") {
    fs::remove(sealed_vector(stage));
    why = "this site's vector for the sum was sent once and is lost here";
  }
  SECTION("its file was changed") {
    pki::write_text(sealed_vector(stage), std::string(fs::file_size(sealed_vector(stage)), 'x'));
    why = "uploading failed";
  }
  SECTION("the job was said to be over, and is offered again") {
    stage.send(wire::JobEnded{"rogue-1", "stopped"});
    REQUIRE(stage.offer("rogue-1", job.job()));
    why = "this site's vector for the sum was sent once and is lost here";
  }
  GroupAttempt attempt(job, SumKind::kTrain, 1, 2);
  REQUIRE(attempt.offer());
  attempt.list();
  CHECK_FALSE(attempt.upload().has_value());
  attempt.check_refused(why);
  check_quiet(stage);
}

TEST_CASE("a client whose ledger was put back from a copy is shown so by the others, and sends nothing") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  stage.kill_client();
  for (const auto& entry : fs::directory_iterator(stage.folder() / "state")) {
    if (entry.is_socket()) fs::remove(entry.path());
  }
  fs::copy(stage.folder() / "state", stage.folder() / "copy", fs::copy_options::recursive);
  stage.start_client();
  REQUIRE(stage.offer("rogue-1", job.job()));
  job.sums(SumKind::kTrain, 1);
  stage.kill_client();
  fs::remove_all(stage.folder() / "state");
  fs::copy(stage.folder() / "copy", stage.folder() / "state", fs::copy_options::recursive);
  stage.change_data();
  stage.start_client();
  REQUIRE(stage.offer("rogue-1", job.job()));
  // With its old ledger it has sent nothing of this round yet, and would train again.
  GroupAttempt again(job, SumKind::kTrain, 1, 2);
  REQUIRE(again.offer());
  again.tell(again.adverts());  // the others would refuse these themselves: the number of north's advert doesn't rise
  CHECK_FALSE(again.upload().has_value());
  again.check_refused("another member has uploaded under advert");
  // A later advert's number would fit what the others have seen, but the site has left the job for good.
  GroupAttempt later(job, SumKind::kTrain, 1, 3);
  CHECK_FALSE(later.offer());
  later.check_refused("this site takes no further part in the job");
  // It doesn't start anything in another job over this group either, even after a restart, until it has adopted
  // ledgers.
  stage.restart_client();
  job::JobSpec next = stage.job();
  next.seed += 1;
  GroupJob other(stage, next, "rogue-2");
  other.agree();
  GroupAttempt first(other, SumKind::kCensus, 0);
  CHECK_FALSE(first.offer());
  first.check_refused("consilium-client ledger request");
  check_quiet(stage);
}

TEST_CASE("an attempt keeps the key with which it began, whatever the sites agree on meanwhile") {
  // If north made its tag with the new key among tags made with the old one, one colluding site that knows both could
  // read 61 bits of north's own vector from the sum's tag.
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.agree();
  const crypto::SecretBytes before = job.agreed.clone().value();
  GroupAttempt first(job, SumKind::kCensus, 0);
  REQUIRE(first.offer());
  job.agree(2);
  first.list();
  const GroupSum sum = first.sum();
  const crypto::SecretBytes after = std::move(job.agreed);
  job.agreed = before.clone().value();
  CHECK(fits(job, sum, SumKind::kCensus, 0));
  job.agreed = after.clone().value();
  CHECK_FALSE(fits(job, sum, SumKind::kCensus, 0));
  // The next attempt has the new key, and the same vector.
  const GroupSum second = job.run(SumKind::kCensus, 0, 2)[0];
  CHECK(fits(job, second, SumKind::kCensus, 0));
  CHECK(second.words == sum.words);
}

TEST_CASE("the sites' key stands once the census is committed, also where a try had begun") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.agree();
  SECTION("a try whose last message is kept back") {
    job.agree_but_last(2);
    job.run(SumKind::kCensus, 0);
    job.send_last();
  }
  SECTION("a new try") {
    job.run(SumKind::kCensus, 0);
    stage.send(wire::KeyAgreement{"rogue-1", 2, {}});
  }
  CHECK(stage.logged("the job's census is committed, so its key can't change any more"));
  CHECK(fits(job, job.run(SumKind::kTrain, 1)[0], SumKind::kTrain, 1));
}

TEST_CASE("a site whose result is unusable hides that it is its own, in every sum that follows too") {
  StageOptions options = one_group();
  options.trainer = ", --nan-round, \"1\"";
  Stage stage(options);
  GroupJob job(stage, stage.job());
  job.begin();
  const job::RoundOrder order = job.order(job.key(SumKind::kTrain, 1), 0);
  const std::vector<GroupSum> sums = job.sums(SumKind::kTrain, 1);
  Words hidden = GroupAttempt::hidden(job, order, sums[0]);
  const std::size_t place = order.layout.find(encoding::kUnusable)->offset;
  CHECK(hidden[place] == 1);
  CHECK(hidden[order.layout.find(encoding::kExamples)->offset] != kBound);
  CHECK_FALSE(looks_plain(hidden));
  for (const wire::SiteMessage& message : stage.said())
    CHECK_FALSE(std::holds_alternative<wire::SessionFailed>(message));
  SECTION("the next attempt hides the same") {
    CHECK(GroupAttempt::hidden(job, order, job.sums(SumKind::kTrain, 1, 2)[0]) == hidden);
  }
  SECTION("the total that says so ends the job") {
    CHECK_FALSE(job.endorsement(job.total(SumKind::kTrain, 1, sums)).has_value());
    job.check_over(SumKind::kTrain, 1, "a site's result was unusable, or the coordinator says so");
  }
  SECTION("a commit of the round changes nothing, and finds nobody who refuses to go on") {
    // A coordinator and colluders that hide the count would learn from the next sum whose result it was.
    const secagg::CommitStatement statement = job.outcome(1, stage.model(5));
    job.send(job.signed_by(statement, job.played()));
    job.model = statement.model;
    const auto [kind, round] = GENERATE(table<SumKind, std::uint32_t>({{SumKind::kTrain, 2}, {SumKind::kEvaluate, 1}}));
    if (GENERATE(false, true)) {
      stage.restart_client();
      REQUIRE(stage.offer("rogue-1", job.job()));
    }
    const job::RoundOrder next = job.order(job.key(kind, round), 0);
    const GroupSum sum = job.sums(kind, round)[0];
    CHECK(count_in(sum.words, next, encoding::kUnusable) == 1);
    CHECK_FALSE(looks_plain(GroupAttempt::hidden(job, next, sum)));
    CHECK(fits(job, sum, kind, round));
    for (const wire::SiteMessage& message : stage.said())
      CHECK_FALSE(std::holds_alternative<wire::SessionFailed>(message));
  }
  check_quiet(stage);
}

TEST_CASE("an attempt under way sends nothing once the job is over for north") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  GroupAttempt attempt(job, SumKind::kTrain, 1);
  REQUIRE(attempt.offer());
  const secagg::CommitStatement statement = job.outcome(1, stage.model(5));
  job.send(job.signed_by(statement, {"east"}));
  attempt.list();
  CHECK_FALSE(attempt.upload().has_value());
  attempt.check_refused("this site takes no further part in the job");
  CHECK(stage.uploads().size() == 1);  // the census
}

}  // namespace
}  // namespace consilium::rogue
