#include "client/masking/group_ledger.h"

#include <filesystem>
#include <optional>

#include "tests/catch.h"
#include "tests/unit/client/masking/ledger_fixtures.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::masking {
namespace {

using job::SumKind;
using Group = std::vector<std::string>;

const Group kGroup{"east", "north", "south"};
const crypto::Digest kJob = crypto::sha256("a job");
const crypto::Digest kVector = crypto::sha256("a vector");
const crypto::Digest kMasked = crypto::sha256("a masked vector");
const crypto::Digest kOther = crypto::sha256("something else");
const std::vector<secagg::Seen> kOthers{{4, crypto::sha256("east 4")}, {9, crypto::sha256("south 9")}};

SumId train_sum(std::uint32_t round) { return {kJob, SumKind::kTrain, round}; }
const SumId kCensus{kJob, SumKind::kCensus, 0};

Release release_of(const SumId& sum, std::uint32_t attempt, std::int64_t at = 1000) {
  Release release;
  release.population = "chest";
  release.sum = sum;
  release.attempt = attempt;
  release.job_id = "chest-1";
  release.researcher = "ada";
  release.group = kGroup;
  release.cohort = crypto::sha256("ctx2 of attempt " + std::to_string(attempt));
  release.at = at;
  return release;
}

/// A ledger that is closed and reopened before every use, so that its answers come from the disk.
class ReopenedLedger {
 public:
  GroupLedger* operator->() {
    ledger_.reset();
    auto opened = GroupLedger::open(folder_.path());
    INFO((opened ? std::string() : opened.error().message));
    REQUIRE(opened.has_value());
    ledger_.emplace(*std::move(opened));
    return &*ledger_;
  }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path(); }
  void close() { ledger_.reset(); }

 private:
  pki::TemporaryFolder folder_;
  std::optional<GroupLedger> ledger_;
};

/// Starts an attempt as a site does, with its next advert.
Result<void> begin(ReopenedLedger& ledger, const SumId& sum, std::uint32_t attempt) {
  const std::uint64_t number = ledger->next_advert(kGroup).value();
  return ledger->begin(sum, attempt, kGroup, {number, crypto::sha256("advert " + std::to_string(number))});
}

TEST_CASE("attempts at a sum rise strictly, over restarts") {
  ReopenedLedger ledger;
  REQUIRE(begin(ledger, train_sum(1), 2));
  check_refused(begin(ledger, train_sum(1), 2), ErrorCode::kPermissionDenied, {"attempt 2 has already begun"});
  check_refused(begin(ledger, train_sum(1), 1), ErrorCode::kPermissionDenied, {"attempt 1 refused"});
  CHECK(begin(ledger, train_sum(1), 3));
}

TEST_CASE("no earlier sum of a job is begun once a later one has begun") {
  ReopenedLedger ledger;
  REQUIRE(begin(ledger, kCensus, 1));
  REQUIRE(begin(ledger, train_sum(2), 1));
  for (const SumId& earlier : {kCensus, train_sum(1), SumId{kJob, SumKind::kEvaluate, 1}}) {
    check_refused(begin(ledger, earlier, 7), ErrorCode::kPermissionDenied, {"a later sum of the job has begun"});
  }
  CHECK(begin(ledger, {kJob, SumKind::kEvaluate, 2}, 1));
  CHECK(begin(ledger, {crypto::sha256("another job"), SumKind::kCensus, 0}, 1));
}

TEST_CASE("adverts are numbered from 1 in each group, and none is skipped or used twice") {
  ReopenedLedger ledger;
  CHECK(ledger->next_advert(kGroup).value() == 1);
  REQUIRE(begin(ledger, train_sum(1), 1));
  CHECK(ledger->next_advert(kGroup).value() == 2);
  CHECK(ledger->next_advert({"north", "west", "zoo"}).value() == 1);
  check_refused(ledger->begin(train_sum(1), 2, kGroup, {1, kOther}), ErrorCode::kPermissionDenied,
                {"expected number 2"});
  check_refused(ledger->begin(train_sum(1), 2, kGroup, {3, kOther}), ErrorCode::kPermissionDenied,
                {"expected number 2"});
}

TEST_CASE("a site notices from the other members' adverts that its ledger was put back") {
  ReopenedLedger ledger;
  REQUIRE(begin(ledger, train_sum(1), 1));
  const secagg::Seen own{1, crypto::sha256("advert 1")};
  CHECK(ledger->check_claims(kGroup, std::vector{own, secagg::Seen{}}));
  check_refused(ledger->check_claims(kGroup, std::vector{own, secagg::Seen{2, kOther}}), ErrorCode::kDataLoss,
                {"advert 2", "put back from a backup"});
  check_refused(ledger->check_claims(kGroup, std::vector{secagg::Seen{1, kOther}}), ErrorCode::kDataLoss, {"advert 1"});
}

TEST_CASE("one vector belongs to a sum, and one masked vector to an attempt") {
  ReopenedLedger ledger;
  CHECK_FALSE(ledger->vector_of(train_sum(1)).value());
  REQUIRE(ledger->release(release_of(train_sum(1), 1), kVector, kMasked, "north", kOthers));
  CHECK(ledger->vector_of(train_sum(1)).value() == kVector);
  check_refused(ledger->release(release_of(train_sum(1), 2), kOther, kOther, "north", kOthers),
                ErrorCode::kPermissionDenied, {"another vector of this site belongs to this sum"});
  check_refused(ledger->release(release_of(train_sum(1), 1), kVector, kOther, "north", kOthers),
                ErrorCode::kPermissionDenied, {"attempt 1 has already masked another vector"});
  CHECK(ledger->release(release_of(train_sum(1), 2), kVector, kOther, "north", kOthers));
}

TEST_CASE("a release that is refused leaves nothing behind") {
  ReopenedLedger ledger;
  REQUIRE(ledger->release(release_of(train_sum(1), 1), kVector, kMasked, "north", kOthers));
  const std::vector<secagg::Seen> newer{{8, kOther}, {10, kOther}};
  REQUIRE_FALSE(ledger->release(release_of(train_sum(1), 2), kOther, kOther, "north", newer));
  CHECK(ledger->releases().value().size() == 1);
  CHECK(ledger->seen(kGroup, "north").value() == kOthers);
}

TEST_CASE("what was seen of the other members only rises") {
  ReopenedLedger ledger;
  CHECK(ledger->seen(kGroup, "north").value() == std::vector<secagg::Seen>(2));
  REQUIRE(ledger->release(release_of(train_sum(1), 1), kVector, kMasked, "north", kOthers));
  CHECK(ledger->seen(kGroup, "north").value() == kOthers);
  const std::vector<secagg::Seen> mixed{{3, kOther}, {10, kOther}};
  REQUIRE(ledger->release(release_of(train_sum(2), 1), kVector, kMasked, "north", mixed));
  CHECK(ledger->seen(kGroup, "north").value() == std::vector<secagg::Seen>{kOthers[0], mixed[1]});
}

TEST_CASE("releases are listed for good, oldest first, and sums are counted once") {
  ReopenedLedger ledger;
  const Release first = release_of(train_sum(1), 1, 1000), again = release_of(train_sum(1), 2, 2000);
  Release next = release_of(train_sum(2), 1, 3000);
  next.group_index = 3;
  REQUIRE(ledger->release(first, kVector, kMasked, "north", kOthers));
  REQUIRE(ledger->release(again, kVector, kOther, "north", kOthers));
  REQUIRE(ledger->release(next, kVector, kMasked, "north", kOthers));
  CHECK(ledger->releases().value() == std::vector{first, again, next});
  CHECK(ledger->sums_given("chest").value() == 2);
  CHECK(ledger->sums_given("skin").value() == 0);
  CHECK(ledger->groups("chest").value() == std::vector<Group>{kGroup});
  CHECK(ledger->released_under(train_sum(1), again.cohort).value());
  CHECK_FALSE(ledger->released_under(train_sum(2), again.cohort).value());
}

TEST_CASE("a site checks one total, and signs one outcome, of each sum") {
  ReopenedLedger ledger;
  REQUIRE(ledger->try_total(train_sum(1), kVector));
  CHECK(ledger->try_total(train_sum(1), kVector));
  check_refused(ledger->try_total(train_sum(1), kOther), ErrorCode::kPermissionDenied, {"another total"});
  REQUIRE(ledger->endorse(train_sum(1), kVector));
  CHECK(ledger->endorse(train_sum(1), kVector));
  check_refused(ledger->endorse(train_sum(1), kOther), ErrorCode::kPermissionDenied, {"signed another outcome"});
}

TEST_CASE("a commit is the one that the site signed, and the only one") {
  const std::vector<std::uint32_t> both{0, 12};
  ReopenedLedger ledger;
  const crypto::Digest model = crypto::sha256("a model");
  REQUIRE(ledger->endorse(train_sum(1), kVector));
  check_refused(ledger->commit(train_sum(1), kOther, model, both), ErrorCode::kPermissionDenied,
                {"another outcome is committed than this site has signed"});
  CHECK_FALSE(ledger->committed_model(train_sum(1)).value());
  REQUIRE(ledger->commit(train_sum(1), kVector, model, both));
  CHECK(ledger->committed_model(train_sum(1)).value() == model);
  CHECK(ledger->committed_groups(train_sum(1)).value() == both);
  CHECK_FALSE(ledger->committed_groups(train_sum(2)).value());
  REQUIRE(ledger->commit(train_sum(2), kVector, model, both));  // of a round that the site missed
  check_refused(ledger->commit(train_sum(2), kOther, model, both), ErrorCode::kPermissionDenied,
                {"another outcome is"});
  check_refused(ledger->endorse(train_sum(2), kOther), ErrorCode::kPermissionDenied, {"another outcome is committed"});
}

TEST_CASE("a job's data are those with which it began, whatever the data set holds later") {
  ReopenedLedger ledger;
  const JobData began{40, 16, 8, kVector}, later{41, 16, 8, kOther};
  CHECK(ledger->fix_data(kJob, began).value() == began);
  CHECK(ledger->fix_data(kJob, later).value() == began);
  CHECK(ledger->fix_data(kOther, later).value() == later);  // another job starts with the current data
}

TEST_CASE("a job that a site has left stays left") {
  ReopenedLedger ledger;
  CHECK_FALSE(ledger->ended(kJob).value());
  REQUIRE(ledger->end_job(kJob, "the tag doesn't fit"));
  REQUIRE(ledger->end_job(kJob, "another commit"));
  CHECK(ledger->ended(kJob).value() == "the tag doesn't fit");  // the first reason is kept
  CHECK_FALSE(ledger->ended(kOther).value());
}

TEST_CASE("an unusable result ends nothing, and no later result of the job is usable") {
  ReopenedLedger ledger;
  REQUIRE(ledger->note_unusable(train_sum(3)));
  REQUIRE(ledger->note_unusable({kJob, SumKind::kEvaluate, 3}));
  CHECK_FALSE(ledger->ended(kJob).value());
  CHECK(ledger->check_usable({kJob, SumKind::kEvaluate, 2}));
  for (const SumId& sum : {train_sum(3), SumId{kJob, SumKind::kEvaluate, 3}, train_sum(4)})
    check_refused(ledger->check_usable(sum), ErrorCode::kInvalidArgument, {"an earlier result"});
  CHECK(ledger->check_usable({kOther, SumKind::kTrain, 4}));
  REQUIRE(ledger->end_job(kJob, "the tag doesn't fit"));
  CHECK(ledger->ended(kJob).value() == "the tag doesn't fit");
  REQUIRE(ledger->note_unusable(train_sum(5)));
  CHECK(ledger->ended(kJob).value() == "the tag doesn't fit");
}

TEST_CASE("a ledger that is lost while vectors are still there is refused, with the remedy") {
  ReopenedLedger ledger;
  REQUIRE(begin(ledger, train_sum(1), 1));
  ledger.close();
  std::filesystem::create_directory(ledger.folder() / "sums");
  for (const char* name : {"sums.db", "sums.db-wal"}) std::filesystem::remove(ledger.folder() / name);
  check_refused(GroupLedger::open(ledger.folder()), ErrorCode::kDataLoss,
                {"sums.db: the file is missing", "Don't restore it from a backup"});
}

}  // namespace
}  // namespace consilium::masking
