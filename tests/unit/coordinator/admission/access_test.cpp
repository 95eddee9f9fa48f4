#include "coordinator/admission/access.h"

#include "tests/catch.h"

using namespace consilium;
using namespace consilium::admission;

namespace {

const Parties kJob{"chest-1", "ada", {"grace"}};

pki::Identity researcher(const std::string& name) { return {"lung", pki::Role::kResearcher, name}; }

}  // namespace

TEST_CASE("a job's researcher may do everything with it, its readers may read, and nobody else may") {
  for (const Access access : {Access::kRead, Access::kStop, Access::kRemove}) {
    CHECK(permit(researcher("ada"), kJob, access));
    CHECK_FALSE(permit(researcher("eve"), kJob, access));
    CHECK(permit(researcher("grace"), kJob, access).has_value() == (access == Access::kRead));
    CHECK_FALSE(permit({"lung", pki::Role::kSite, "ada"}, kJob, access));
    CHECK_FALSE(permit({"lung", pki::Role::kSite, "grace"}, kJob, access));
    CHECK_FALSE(permit({"lung", pki::Role::kCoordinator, "ada"}, kJob, access));
  }
}

TEST_CASE("an operator stops and removes every job, and submits and reads none") {
  const pki::Identity olga{"lung", pki::Role::kOperator, "olga"};
  const pki::Identity namesake{"lung", pki::Role::kOperator, "ada"};
  for (const auto& caller : {olga, namesake}) {
    CHECK(permit(caller, kJob, Access::kStop));
    CHECK(permit(caller, kJob, Access::kRemove));
    CHECK_FALSE(permit(caller, kJob, Access::kRead));
    CHECK_FALSE(permit(caller, kJob, Access::kSubmit));
  }
  CHECK_FALSE(permit({"lung", pki::Role::kOperator, "grace"}, kJob, Access::kRead));
}

TEST_CASE("a refusal says whom to ask") {
  const auto read = permit(researcher("eve"), kJob, Access::kRead);
  CHECK(read.error().code == ErrorCode::kPermissionDenied);
  CHECK_THAT(read.error().message,
             Catch::Contains("'chest-1'") && Catch::Contains("ask ada") && Catch::Contains("list eve under 'readers'"));
  CHECK_THAT(permit(researcher("eve"), kJob, Access::kStop).error().message,
             Catch::Contains("ask ada or an operator to stop it"));
  CHECK_THAT(permit(researcher("eve"), kJob, Access::kRemove).error().message,
             Catch::Contains("ask ada or an operator to remove it"));
}

TEST_CASE("an outline has no metrics, models, sites, reasons or times") {
  report::JobStatus status;
  status.job_id = "chest-1";
  status.researcher = "ada";
  status.name = "chest";
  status.phase = report::JobPhase::kTraining;
  status.round = 2;
  status.rounds = 20;
  report::JobStatus expected = status;
  status.detail = "round 2 of 20";
  status.sites = {{"north", "training"}};
  status.history = {report::RoundRecord{}};
  status.model = crypto::sha256("model");
  status.examples = 320;
  status.eta_seconds = 1.0;
  status.submitted_seconds = 5;
  CHECK(outline_of(status) == expected);
}
