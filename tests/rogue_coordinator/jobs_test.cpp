// Jobs that a coordinator invents, changes or repeats. The client takes part in none of them.
#include <array>

#include "client/approval/control_socket.h"
#include "common/job/job_text.h"
#include "tests/catch.h"
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
  const std::string digest = crypto::to_hex(job::job_digest(job));
  REQUIRE(approval::ask_daemon(stage.folder() / "state", approval::request_text("approve", digest, "ada")));
  job::JobSpec other = job;
  other.training.local_epochs += 1;
  CHECK(stage.answer_to(signed_offer(stage, other, "rogue-2")).consent == JobConsent::kWaits);
}

/// Returns a job of any seed, without writing its whole text again for each.
class OfAnySeed {
 public:
  explicit OfAnySeed(job::JobSpec spec) : spec_(std::move(spec)) {
    const std::string mark = "1234567890987654321";
    spec_.seed = std::stoull(mark);
    text_ = job::canonical_text(spec_);
    at_ = text_.find(mark);
    size_ = mark.size();
    REQUIRE((at_ != std::string::npos && text_.find(mark, at_ + 1) == std::string::npos));
  }
  [[nodiscard]] job::JobSpec job(std::uint64_t seed) const {
    job::JobSpec one = spec_;
    one.seed = seed;
    return one;
  }
  [[nodiscard]] crypto::Digest digest(std::uint64_t seed) const {
    std::string text = text_;
    return job::digest_of_text(text.replace(at_, size_, std::to_string(seed)));
  }

 private:
  job::JobSpec spec_;
  std::string text_;
  std::size_t at_ = 0;
  std::size_t size_ = 0;
};

/// Finds two jobs whose digests begin with the same eight digits: about 2^16 tries, which take a researcher seconds.
std::pair<job::JobSpec, job::JobSpec> alike(const job::JobSpec& harmless) {
  job::JobSpec longer = harmless;
  ++longer.training.local_epochs;
  const std::array<OfAnySeed, 2> kinds{OfAnySeed(harmless), OfAnySeed(longer)};
  std::map<std::string, std::uint64_t> seeds;
  for (std::uint64_t seed = 0;; ++seed) {
    const auto [other, first] = seeds.emplace(crypto::to_hex(kinds[seed % 2].digest(seed)).substr(0, 8), seed);
    if (first || other->second % 2 == seed % 2) continue;
    const std::uint64_t even = seed % 2 == 0 ? seed : other->second;
    const std::uint64_t odd = seed % 2 == 0 ? other->second : seed;
    return {kinds[0].job(even), kinds[1].job(odd)};
  }
}

TEST_CASE("a job is not exchanged for another between the moment it is shown and the moment it is approved") {
  Stage stage;
  const auto [shown, other] = alike(stage.job());
  const std::string prefix = crypto::to_hex(job::job_digest(shown)).substr(0, 8);
  const auto ask = [&](const std::string& command, const std::string& job) {
    return approval::ask_daemon(stage.folder() / "state", approval::request_text(command, job)).value();
  };
  CHECK(stage.answer_to(signed_offer(stage, shown)).consent == JobConsent::kWaits);
  const std::array<std::string, 2> names{"rogue-1", prefix};
  for (const std::string& name : names)
    CHECK(ask("show", name).find(crypto::to_hex(job::job_digest(shown))) != std::string::npos);
  // While the person reads, the coordinator replaces this job by the other one.
  stage.send(wire::JobEnded{"rogue-1", "stopped"});
  CHECK(stage.answer_to(signed_offer(stage, other)).consent == JobConsent::kWaits);
  for (const std::string& name : names) {
    CHECK(ask("approve", name).find("whole digest") != std::string::npos);
    CHECK(stage.answer_to(signed_offer(stage, other)).consent == JobConsent::kWaits);
  }
}

}  // namespace
}  // namespace consilium::rogue
