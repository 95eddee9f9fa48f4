#include "client/approval/approvals.h"

#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::approval {
namespace {

const crypto::Digest kJob = crypto::sha256("a job");
const crypto::Digest kOther = crypto::sha256("another job");

Offer offer(const crypto::Digest& digest = kJob, const std::string& job_id = "tiny-1") {
  return {{digest, "ada"}, job_id, "{}", 100};
}

struct ApprovalsDesk {
  pki::TemporaryFolder folder;
  std::unique_ptr<Approvals> approvals = Approvals::open(folder.path()).value();

  /// Closes the file and opens it again, as a restart of the client does.
  void restart() {
    approvals.reset();
    approvals = Approvals::open(folder.path()).value();
  }
};

TEST_CASE("offers, decisions and first ids outlive a restart") {
  ApprovalsDesk desk;
  CHECK_FALSE(desk.approvals->has_seen({kJob, "ada"}).value());
  REQUIRE(desk.approvals->keep(offer()));
  const Decision decision{{kJob, "ada"}, true, "root", 200};
  REQUIRE(desk.approvals->decide(decision));
  const Accepted accepted{kJob, "tiny-1", "chest", 41};
  REQUIRE(desk.approvals->accept(accepted, std::nullopt));
  desk.restart();
  CHECK(desk.approvals->has_seen({kJob, "ada"}).value());
  CHECK(desk.approvals->offers().value() == std::vector<Offer>{offer()});
  CHECK(desk.approvals->decision({kJob, "ada"}).value() == decision);
  CHECK(desk.approvals->accepted(kJob).value() == accepted);
  CHECK(desk.approvals->accepted_as("tiny-1").value() == accepted);
  CHECK(desk.approvals->sums_of("chest").value() == 41);
}

TEST_CASE("a decision is about one researcher's job, and the last one counts") {
  const ApprovalsDesk desk;
  REQUIRE(desk.approvals->decide({{kJob, "ada"}, true, "root", 200}));
  CHECK_FALSE(desk.approvals->decision({kJob, "bob"}).value());
  CHECK_FALSE(desk.approvals->decision({kOther, "ada"}).value());
  REQUIRE(desk.approvals->decide({{kJob, "ada"}, false, "anna", 201}));
  CHECK_FALSE(desk.approvals->decision({kJob, "ada"}).value()->approved);
  CHECK(desk.approvals->decisions().value().size() == 2);
}

TEST_CASE("an offer that comes again keeps when it was first seen, and takes the new id") {
  const ApprovalsDesk desk;
  REQUIRE(desk.approvals->keep(offer()));
  Offer later = offer(kJob, "tiny-2");
  later.seen_at = 999;
  REQUIRE(desk.approvals->keep(later));
  later.seen_at = 100;
  CHECK(desk.approvals->offers().value() == std::vector<Offer>{later});
}

TEST_CASE("a job that is over leaves the list, unless somebody decided about it") {
  const ApprovalsDesk desk;
  REQUIRE(desk.approvals->keep(offer()));
  REQUIRE(desk.approvals->keep(offer(kOther, "other-1")));
  REQUIRE(desk.approvals->decide({{kOther, "ada"}, true, "root", 1}));
  REQUIRE(desk.approvals->withdraw("tiny-1"));
  REQUIRE(desk.approvals->withdraw("other-1"));
  CHECK(desk.approvals->offers().value() == std::vector<Offer>{offer(kOther, "other-1")});
}

TEST_CASE("only so many offers wait, and one that is known may come again") {
  const ApprovalsDesk desk;
  for (std::size_t i = 0; i < kMaxWaitingOffers; ++i)
    REQUIRE(desk.approvals->keep(offer(crypto::sha256(std::to_string(i)), "job-" + std::to_string(i))));
  CHECK(desk.approvals->keep(offer()).error().code == ErrorCode::kResourceExhausted);
  CHECK(desk.approvals->keep(offer(crypto::sha256("7"), "job-7")));
  REQUIRE(desk.approvals->decide({{crypto::sha256("7"), "ada"}, false, "root", 1}));
  CHECK(desk.approvals->keep(offer()));
}

TEST_CASE("a digest has one id, and an id one digest") {
  const ApprovalsDesk desk;
  REQUIRE(desk.approvals->accept({kJob, "tiny-1", "chest", 10}, std::nullopt));
  CHECK(desk.approvals->accept({kJob, "tiny-1", "chest", 10}, std::nullopt));
  CHECK(desk.approvals->sums_of("chest").value() == 10);
  CHECK(desk.approvals->accept({kJob, "tiny-2", "chest", 10}, std::nullopt).error().code == ErrorCode::kAlreadyExists);
  CHECK(desk.approvals->accept({kOther, "tiny-1", "chest", 10}, std::nullopt).error().code ==
        ErrorCode::kAlreadyExists);
}

TEST_CASE("sums are counted for good, each population by itself") {
  const ApprovalsDesk desk;
  REQUIRE(desk.approvals->accept({kJob, "tiny-1", "chest", 10}, 15));
  const auto more = desk.approvals->accept({kOther, "tiny-2", "chest", 6}, 15);
  REQUIRE_FALSE(more);
  CHECK(more.error().code == ErrorCode::kResourceExhausted);
  CHECK(more.error().message == "maximum_sums: the job needs 6 sums over 'chest', but 10 of 15 are already used");
  CHECK_FALSE(desk.approvals->accepted(kOther).value());
  CHECK(desk.approvals->accept({kOther, "tiny-2", "skin", 6}, 15));
  // A lower maximum doesn't overflow, and a job that is already counted continues.
  CHECK_FALSE(desk.approvals->accept({crypto::sha256("third"), "tiny-3", "chest", 1}, 3));
  CHECK(desk.approvals->accept({kJob, "tiny-1", "chest", 10}, 3));
}

TEST_CASE(
    "sums that were counted under a data set's name, or that the ledger of sums knows, count with the population's") {
  ApprovalsDesk desk;
  REQUIRE(desk.approvals->accept({kJob, "tiny-1", "chest", 10}, 15));
  const CountedBefore before{{"chest", "chest-ap", "lungs"}, 0};
  CHECK(desk.approvals->sums_of("lungs", before).value() == 10);
  CHECK(desk.approvals->accept({kOther, "tiny-2", "lungs", 6}, 15, before).error().code ==
        ErrorCode::kResourceExhausted);
  CHECK(desk.approvals->accept({kOther, "tiny-2", "lungs", 6}, 15, {{}, 10}).error().code ==
        ErrorCode::kResourceExhausted);
  REQUIRE(desk.approvals->accept({kOther, "tiny-2", "lungs", 5}, 15, before));
  CHECK(desk.approvals->sums_of("lungs", before).value() == 15);
  CHECK(desk.approvals->sums_of("lungs", {{"chest"}, 12}).value() == 15);
}

TEST_CASE("a second process can't open the file, and a damaged one isn't repaired") {
  ApprovalsDesk desk;
  CHECK(Approvals::open(desk.folder.path()).error().code == ErrorCode::kFailedPrecondition);
  desk.approvals.reset();
  pki::write_text(desk.folder / "approvals.db", std::string(10'000, 'x'));
  const auto damaged = Approvals::open(desk.folder.path());
  REQUIRE_FALSE(damaged);
  CHECK(damaged.error().code == ErrorCode::kDataLoss);
  CHECK(damaged.error().message.find("docs/hospital-it/approving.md") != std::string::npos);
}

}  // namespace
}  // namespace consilium::approval
