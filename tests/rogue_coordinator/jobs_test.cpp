// Jobs that a coordinator makes up, changes or repeats: the client takes part in none of them.
#include <catch2/catch.hpp>

#include "client/approval/control_socket.h"
#include "common/job/job_text.h"
#include "tests/rogue_coordinator/stage.h"

namespace consilium::rogue {
namespace {

using wire::JobAnswer;
using wire::JobConsent;

wire::JobOffer signed_offer(Stage& stage, const job::JobSpec& job, const std::string& job_id = "rogue-1") {
  return {job_id, job::canonical_text(job), Stage::sign(stage.ada(), job::job_digest(job))};
}

TEST_CASE("a job that no researcher of the roster signed for this coordinator is declined, whatever it says") {
  Stage stage({.policy = "allow_unmasked: true\n"});
  const job::JobSpec job = stage.job();
  const crypto::Digest digest = job::job_digest(job);
  wire::JobOffer offer = signed_offer(stage, job);
  std::string why;
  SECTION("signed by a researcher whom the authority certified since the roster was compared") {
    offer.signature = Stage::sign(stage.researcher("eve"), digest);
    why = "researcher 'eve' isn't on this site's roster";
  }
  SECTION("with another researcher's certificate than the key that signed") {
    offer.signature.signature = Stage::sign(stage.researcher("eve"), digest).signature;
    why = "the signature is not by the certificate's key";
  }
  SECTION("changed after it was signed") {
    job::JobSpec changed = job;
    changed.training.optimizer.learning_rate = 1e-30;
    offer.spec = job::canonical_text(changed);
    why = "the signature is not by the certificate's key";
  }
  SECTION("signed for another coordinator") {
    offer.signature = Stage::sign(stage.ada(), digest, std::chrono::hours(1), "spiffe://lung/coordinator/other");
    why = "signed for spiffe://lung/coordinator/other";
  }
  SECTION("passed on too late") {
    offer.signature = Stage::sign(stage.ada(), digest, std::chrono::seconds(-1));
    why = "the job's signature has expired";
  }
  SECTION("passed on too late, with a later time written over the signed one") {
    offer.signature = Stage::sign(stage.ada(), digest, std::chrono::seconds(-1));
    offer.signature.not_after += 3600;
    why = "the signature is not by the certificate's key";
  }
  CHECK(stage.answer_to(offer) == JobAnswer{"rogue-1", JobConsent::kDeclined, "signature"});
  CHECK(stage.logged(why));
}

TEST_CASE("a job that was served is not served again under another id, over a restart of the client too") {
  Stage stage;
  const job::JobSpec job = stage.job();
  REQUIRE(stage.offer("rogue-1", job));
  const JobAnswer declined{"rogue-2", JobConsent::kDeclined, "job_id"};
  CHECK(stage.answer_to(signed_offer(stage, job, "rogue-2")) == declined);
  stage.restart_client();
  CHECK(stage.answer_to(signed_offer(stage, job, "rogue-2")) == declined);
  CHECK(stage.answer_to(signed_offer(stage, job)).consent == JobConsent::kAccepted);
}

TEST_CASE("a second offer of an id doesn't swap the job under its sessions") {
  Stage stage;
  REQUIRE(stage.offer("rogue-1", stage.job()));
  job::JobSpec other = stage.job();
  other.seed = 99;
  CHECK(stage.answer_to(signed_offer(stage, other)) == JobAnswer{"rogue-1", JobConsent::kDeclined, "job_id"});
}

TEST_CASE("what a person approved is one researcher's job, and no other's") {
  Stage stage;
  const job::JobSpec job = stage.job();
  CHECK(stage.answer_to(signed_offer(stage, job)).consent == JobConsent::kWaits);
  REQUIRE(approval::ask_daemon(stage.folder() / "state", approval::request_text("approve", "rogue-1")));
  job::JobSpec other = job;
  other.training.local_epochs += 1;
  CHECK(stage.answer_to(signed_offer(stage, other, "rogue-2")).consent == JobConsent::kWaits);
}

}  // namespace
}  // namespace consilium::rogue
