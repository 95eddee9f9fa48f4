#include "client/masking/ledger.h"

#include <sys/stat.h>

#include "tests/unit/client/masking/ledger_fixtures.h"

namespace consilium::masking {
namespace {

using pki::TemporaryFolder;

const crypto::Digest kModel = crypto::sha256("a model");
const crypto::Digest kOtherModel = crypto::sha256("another model");

Ledger::SurvivorList list_over(const job::SessionKey& key, std::vector<std::string> survivors,
                               const crypto::Digest& model = kModel) {
  return {key, model, "chest", std::move(survivors)};
}

mode_t mode_of(const std::filesystem::path& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

/// Starts and confirms, as a site does that took part in a sum.
void take_part(Reopened& ledger, const Ledger::SurvivorList& list) {
  REQUIRE(ledger->begin_attempt(list.key).has_value());
  REQUIRE(ledger->confirm(list, false).has_value());
}

TEST_CASE("attempts of a round rise strictly, over restarts") {
  const TemporaryFolder folder;
  Reopened ledger(folder.path());
  CHECK(ledger->begin_attempt(train(1, 2)).has_value());
  check_refused(ledger->begin_attempt(train(1, 2)), ErrorCode::kPermissionDenied,
                {"chest-1 train 1.2", "attempt 2 refused: attempt 2 has already begun"});
  check_refused(ledger->begin_attempt(train(1, 1)), ErrorCode::kPermissionDenied,
                {"attempt 1 refused: attempt 2 has already begun"});
  CHECK(ledger->begin_attempt(train(1, 7)).has_value());
  check_refused(ledger->begin_attempt(train(1, 3)), ErrorCode::kPermissionDenied,
                {"attempt 3 refused: attempt 7 has already begun"});
}

TEST_CASE("attempts of other rounds, kinds and jobs are counted by themselves") {
  const TemporaryFolder folder;
  Reopened ledger(folder.path());
  REQUIRE(ledger->begin_attempt(train(1, 5)).has_value());
  CHECK(ledger->begin_attempt(train(2, 1)).has_value());
  CHECK(ledger->begin_attempt({"chest-1", job::SumKind::kEvaluate, 1, 1}).has_value());
  CHECK(ledger->begin_attempt(train(1, 1, "chest-2")).has_value());
}

TEST_CASE("attempts stay when their session and job are over") {
  const TemporaryFolder folder;
  Reopened ledger(folder.path());
  REQUIRE(ledger->begin_attempt(train(1, 1)).has_value());
  REQUIRE(ledger->forget_session(train(1, 1)).has_value());
  REQUIRE(ledger->forget_job("chest-1").has_value());
  check_refused(ledger->begin_attempt(train(1, 1)), ErrorCode::kPermissionDenied,
                {"attempt 1 refused: attempt 1 has already begun"});
}

TEST_CASE("a round has one list of survivors, ever") {
  const TemporaryFolder folder;
  Reopened ledger(folder.path());
  CHECK_FALSE(ledger->confirmed("chest-1", job::SumKind::kTrain, 1));
  take_part(ledger, list_over(train(1), {"east", "north", "west"}));
  CHECK(ledger->confirmed("chest-1", job::SumKind::kTrain, 1));
  CHECK_FALSE(ledger->confirmed("chest-1", job::SumKind::kTrain, 2));
  CHECK_FALSE(ledger->confirmed("chest-1", job::SumKind::kEvaluate, 1));
  CHECK_FALSE(ledger->confirmed("chest-2", job::SumKind::kTrain, 1));

  SECTION("the same again is fine, in any order") {
    CHECK(ledger->confirm(list_over(train(1), {"west", "north", "east"}), false).has_value());
  }
  SECTION("another is refused, allowed cohort changes or not") {
    for (const bool allowed : {false, true}) {
      check_refused(
          ledger->confirm(list_over(train(1), {"north", "west"}), allowed), ErrorCode::kPermissionDenied,
          {"chest-1 train 1.1", "confirmed the survivors east, north, west in attempt 1", "another list: north, west"});
    }
  }
  SECTION("another model makes it another list") {
    check_refused(ledger->confirm(list_over(train(1), {"east", "north", "west"}, kOtherModel), false),
                  ErrorCode::kPermissionDenied, {"doesn't confirm another list"});
  }
  SECTION("no other attempt may begin, even after the job was forgotten") {
    REQUIRE(ledger->forget_job("chest-1").has_value());
    check_refused(ledger->begin_attempt(train(1, 2)), ErrorCode::kPermissionDenied,
                  {"chest-1 train 1.2", "has confirmed attempt 1"});
  }
  SECTION("the next round has its own") { take_part(ledger, list_over(train(2), {"north", "west"}, kOtherModel)); }
}

TEST_CASE("survivors are confirmed in the attempt that was begun last alone") {
  const TemporaryFolder folder;
  Reopened ledger(folder.path());
  check_refused(ledger->confirm(list_over(train(1, 1), {"north"}), false), ErrorCode::kPermissionDenied,
                {"found survivors of attempt 1, expected those of attempt 0, which began last"});
  REQUIRE(ledger->begin_attempt(train(1, 1)).has_value());
  REQUIRE(ledger->begin_attempt(train(1, 2)).has_value());
  check_refused(ledger->confirm(list_over(train(1, 1), {"north"}), false), ErrorCode::kPermissionDenied,
                {"found survivors of attempt 1, expected those of attempt 2, which began last"});
  CHECK_FALSE(ledger->confirmed("chest-1", job::SumKind::kTrain, 1));
  CHECK(ledger->confirm(list_over(train(1, 2), {"north"}), false).has_value());
}

TEST_CASE("a model is summed over one list of survivors in all jobs") {
  const TemporaryFolder folder;
  Reopened ledger(folder.path());
  take_part(ledger, list_over(train(1), {"east", "north", "west"}));
  REQUIRE(ledger->forget_job("chest-1").has_value());

  const job::SessionKey second = train(1, 1, "chest-2");
  REQUIRE(ledger->begin_attempt(second).has_value());
  SECTION("one site fewer is refused, with the earlier job and what would allow it") {
    check_refused(ledger->confirm(list_over(second, {"north", "west"}), false), ErrorCode::kPermissionDenied,
                  {"chest-2 train 1.1", "chest-1 round 1: east, north, west", "now: north, west",
                   "policy.yaml: allow_changed_cohort"});
    CHECK_FALSE(ledger->confirmed("chest-2", job::SumKind::kTrain, 1));
  }
  SECTION("unless the site's policy allows it") {
    CHECK(ledger->confirm(list_over(second, {"north", "west"}), true).has_value());
  }
  SECTION("the same sites are fine") {
    CHECK(ledger->confirm(list_over(second, {"west", "east", "north"}), false).has_value());
  }
  SECTION("another model, another data set and another kind are other sums") {
    CHECK(ledger->confirm(list_over(second, {"north", "west"}, kOtherModel), false).has_value());
    const job::SessionKey third = train(1, 1, "chest-3");
    REQUIRE(ledger->begin_attempt(third).has_value());
    CHECK(ledger->confirm({third, kModel, "skin", {"north", "west"}}, false).has_value());
    const job::SessionKey evaluate{"chest-2", job::SumKind::kEvaluate, 1, 1};
    REQUIRE(ledger->begin_attempt(evaluate).has_value());
    CHECK(ledger->confirm(list_over(evaluate, {"north", "west"}), false).has_value());
  }
  SECTION("a later round of the same job that starts from the same model is held to it too") {
    REQUIRE(ledger->begin_attempt(train(2)).has_value());
    check_refused(ledger->confirm(list_over(train(2), {"north", "west"}), false), ErrorCode::kPermissionDenied,
                  {"chest-1 train 2.1", "chest-1 round 1"});
  }
}

TEST_CASE("a job has one census, under whatever id; other jobs may have others") {
  const TemporaryFolder folder;
  Reopened ledger(folder.path());
  const crypto::Digest chest = crypto::sha256("chest");
  const auto census = [](const std::string& id) { return job::SessionKey{id, job::SumKind::kCensus, 0, 1}; };
  take_part(ledger, list_over(census("chest-1"), {"east", "north", "west"}, chest));
  take_part(ledger, list_over(census("lung-1"), {"north", "west"}, crypto::sha256("lung")));
  take_part(ledger, list_over(census("chest-2"), {"east", "north", "west"}, chest));
  REQUIRE(ledger->begin_attempt(census("chest-3")).has_value());
  check_refused(ledger->confirm(list_over(census("chest-3"), {"north", "west"}, chest), false),
                ErrorCode::kPermissionDenied, {"the same job's census", "chest-", "allow_changed_cohort"});
  CHECK(ledger->confirm(list_over(census("chest-3"), {"north", "west"}, chest), true).has_value());
  check_refused(ledger->confirm(list_over(census("chest-3"), {"north"}, chest), true), ErrorCode::kPermissionDenied,
                {"chest-3 census 0.1"});
}

TEST_CASE("a request has one answer, word for word") {
  const TemporaryFolder folder;
  Reopened ledger(folder.path());
  const crypto::Digest request = crypto::sha256("a request");
  const std::vector<std::byte> reply = bytes(std::string_view("shares\0and more", 15));
  CHECK(ledger->reply_to(train(1), request).value() == std::nullopt);
  REQUIRE(ledger->keep_reply(train(1), request, reply).has_value());
  CHECK(ledger->reply_to(train(1), request).value() == reply);
  CHECK(ledger->keep_reply(train(1), request, reply).has_value());
  check_refused(ledger->keep_reply(train(1), request, bytes("others")), ErrorCode::kPermissionDenied,
                {"chest-1 train 1.1", "this request already has another answer"});
  CHECK(ledger->reply_to(train(1), request).value() == reply);
  CHECK(ledger->reply_to(train(1), crypto::sha256("another request")).value() == std::nullopt);
  CHECK(ledger->reply_to(train(1, 2), request).value() == std::nullopt);
  REQUIRE(ledger->keep_reply(train(2), request, {}).has_value());
  CHECK(ledger->reply_to(train(2), request).value() == std::vector<std::byte>{});
}

TEST_CASE("a session has one masked vector, in a file of its own") {
  const TemporaryFolder folder;
  Reopened ledger(folder.path());
  CHECK(ledger->kept_vector(train(1)).value() == std::nullopt);
  REQUIRE(ledger->keep_vector(train(1), kModel).has_value());
  CHECK(ledger->kept_vector(train(1)).value() == kModel);
  CHECK(ledger->keep_vector(train(1), kModel).has_value());
  check_refused(ledger->keep_vector(train(1), kOtherModel), ErrorCode::kPermissionDenied,
                {"chest-1 train 1.1", "another vector was already masked"});
  CHECK(ledger->kept_vector(train(1)).value() == kModel);
  CHECK(ledger->kept_vector(train(1, 2)).value() == std::nullopt);

  CHECK(ledger->vector_file(train(1)).parent_path() == folder / "vectors");
  CHECK(ledger->vector_file(train(1)) != ledger->vector_file(train(1, 2)));
  CHECK(ledger->vector_file({"../../x", job::SumKind::kTrain, 1, 1}).parent_path() == folder / "vectors");
}

TEST_CASE("a job's members are set once") {
  const TemporaryFolder folder;
  Reopened ledger(folder.path());
  CHECK(ledger->members("chest-1").value() == std::nullopt);
  REQUIRE(ledger->set_members("chest-1", {"west", "north"}).has_value());
  CHECK(ledger->members("chest-1").value() == std::vector<std::string>{"north", "west"});
  CHECK(ledger->set_members("chest-1", {"north", "west"}).has_value());
  check_refused(ledger->set_members("chest-1", {"north"}), ErrorCode::kPermissionDenied,
                {"chest-1", "north, west", "found north"});
  CHECK(ledger->members("chest-1").value() == std::vector<std::string>{"north", "west"});
  check_refused(ledger->set_members("chest-2", {"north\nwest"}), ErrorCode::kInvalidArgument, {"not a site's name"});
}

TEST_CASE("what a session sent is forgotten with it or with the job, a job's members are not") {
  const TemporaryFolder folder;
  Reopened ledger(folder.path());
  const crypto::Digest request = crypto::sha256("a request");
  for (const auto& key : {train(1), train(2), train(1, 1, "chest-2")}) {
    REQUIRE(ledger->keep_vector(key, kModel).has_value());
    pki::write_text(ledger->vector_file(key),
                    "words");  // afterwards: a file without its digest is removed when the ledger is opened
    REQUIRE(ledger->keep_reply(key, request, bytes("reply")).has_value());
    REQUIRE(ledger->set_members(key.job_id, {"north"}).has_value());
  }
  const auto kept = [&](const job::SessionKey& key) {
    const bool vector = ledger->kept_vector(key).value().has_value();
    CHECK(ledger->reply_to(key, request).value().has_value() == vector);
    CHECK(std::filesystem::exists(ledger->vector_file(key)) == vector);
    return vector;
  };
  REQUIRE(ledger->forget_session(train(1)).has_value());
  CHECK_FALSE(kept(train(1)));
  CHECK(kept(train(2)));
  CHECK(kept(train(1, 1, "chest-2")));
  CHECK(ledger->members("chest-1").value().has_value());

  REQUIRE(ledger->forget_job("chest-1").has_value());
  CHECK_FALSE(kept(train(2)));
  CHECK(kept(train(1, 1, "chest-2")));
  CHECK(ledger->members("chest-1").value().has_value());
  CHECK(ledger->members("chest-2").value().has_value());
}

TEST_CASE("only the client's user reads the ledger and its vectors") {
  const TemporaryFolder folder;
  const mode_t before = ::umask(0);
  Ledger ledger = opened(folder.path());
  REQUIRE(ledger.begin_attempt(train(1)).has_value());
  ::umask(before);
  CHECK(mode_of(folder / "masking.db") == 0600);
  CHECK(mode_of(folder / "masking.db-wal") == 0600);
  CHECK(mode_of(folder / "vectors") == 0700);
}

}  // namespace
}  // namespace consilium::masking
