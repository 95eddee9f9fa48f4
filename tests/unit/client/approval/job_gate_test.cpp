#include "client/approval/job_gate.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "common/files/temporary_folder.h"
#include "tests/catch.h"
#include "tests/unit/client/approval/signing.h"

namespace consilium::approval {
namespace {

using wire::JobConsent;

const std::string kPolicy = R"(
researchers: [bob]
datasets: [chest]
tasks: [classification]
strategies: [fedavg]
max_rounds: 100
max_local_epochs: 10
minimum_cohort: 2
allow_unmasked: true
)";

job::JobSpec spec(std::uint64_t seed = 3) {
  job::JobSpec job = job::parse_job(R"(
name: tiny
model: {name: mlp_2nn, input: [1, 8, 8], classes: 2}
data: {dataset: chest}
training: {local_epochs: 1, batch_size: 10, optimizer: {name: sgd, learning_rate: 0.1}}
federation: {rounds: 20, minimum_sites: 2}
strategy: {name: fedavg}
privacy: {secure_aggregation: off}
)",
                                    "job.yaml")
                         .value();
  job.seed = seed;
  return job;
}

/// A site's desk at which offers arrive.
struct GateDesk {
  pki::TemporaryFolder folder;
  std::unique_ptr<Approvals> approvals = Approvals::open(folder.path()).value();
  std::int64_t now = kNow;
  std::optional<JobGate> gate;
  policy::Policy policy = policy::parse_policy(kPolicy, "policy.yaml").value();
  roster::Roster roster{.consortium = "lung", .researchers = signing().roster};
  std::vector<std::string> datasets{"chest"};
  std::map<std::string, std::string> atlases;

  GateDesk() { use(signing()); }
  void use(const Signing& people) {
    gate.emplace(JobGate::Parts{*approvals, people.trust, "lung", [this] { return now; }});
    roster.researchers = people.roster;
  }
  void rule(const std::string& more) { policy = policy::parse_policy(kPolicy + more, "policy.yaml").value(); }

  Verdict offer(const wire::JobOffer& offer, const std::string& coordinator = kHub) {
    const std::string site = "north";
    return gate->examine(offer, coordinator, {policy, roster, datasets, atlases, site, crypto::Digest{}});
  }
  void decide(bool approved, const std::string& researcher = "ada") {
    REQUIRE(approvals->decide({{job::job_digest(spec()), researcher}, approved, "root", now}));
  }
};

TEST_CASE("the researcher is whoever signed, and a listed one needs no approval") {
  GateDesk desk;
  const Verdict verdict = desk.offer(signing().offer("tiny-1", spec(), "bob"));
  CHECK(verdict.consent == JobConsent::kAccepted);
  CHECK(verdict.researcher == "bob");
  CHECK(verdict.spec == spec());
  CHECK(desk.approvals->accepted_as("tiny-1").value()->sums == 41);
}

TEST_CASE("a job whose atlas the site hasn't got, or another file of it, is declined by that key") {
  GateDesk desk;
  job::JobSpec asked = spec();
  asked.model.input = {2, 28, 28};
  const auto folder = files::TemporaryFolder::create("atlases-").value();
  const std::string file = folder.path() / "map.nii";
  std::ofstream(file) << "a map";
  desk.atlases["brain"] = file;
  asked.data.atlas = job::AtlasSpec{"brain", crypto::sha256(std::string_view("a map")), 1};
  CHECK(desk.offer(signing().offer("tiny-1", asked, "bob")).reason != "atlases");

  const auto declined = [&](const job::JobSpec& spec) {
    const Verdict verdict = desk.offer(signing().offer("tiny-2", spec, "bob"));
    CHECK(verdict.consent == JobConsent::kDeclined);
    CHECK(verdict.reason == "atlases");
    return verdict.log;
  };
  job::JobSpec other = asked;
  other.data.atlas->name = "liver";
  CHECK(declined(other) == "this site has no atlas 'liver' (client.yaml: atlases)");
  other = asked;
  other.data.atlas->sha256[0] ^= 1;
  CHECK_THAT(declined(other), Catch::Contains(file + " isn't the job's atlas: expected the SHA-256 " +
                                              crypto::to_hex(other.data.atlas->sha256)));
  std::filesystem::remove(file);
  CHECK_THAT(declined(asked), Catch::Contains(file));
}

TEST_CASE(
    "no job is accepted while the site's data belong to two populations, and the coordinator hears the key alone") {
  GateDesk desk;
  Result<void> claimed = fail(ErrorCode::kFailedPrecondition, "/srv/chest and /srv/heart overlap");
  desk.gate.emplace(JobGate::Parts{*desk.approvals, signing().trust, "lung", [&] { return desk.now; },
                                   [&](const roster::Roster& roster, const std::string& dataset) {
                                     CHECK(roster == desk.roster);
                                     CHECK(dataset == "chest");
                                     return claimed;
                                   }});
  const Verdict verdict = desk.offer(signing().offer("tiny-1", spec(), "bob"));
  CHECK(verdict.consent == JobConsent::kDeclined);
  CHECK(verdict.reason == "datasets");
  CHECK(verdict.log == "/srv/chest and /srv/heart overlap");
  claimed = {};
  CHECK(desk.offer(signing().offer("tiny-1", spec(), "bob")).consent == JobConsent::kAccepted);
}

TEST_CASE("sums count by population, whatever the data set, the job and its researcher are called") {
  GateDesk desk;
  desk.roster.populations = {{.name = "lungs", .datasets = {"chest", "chest-ap"}, .mode = roster::Mode::kPlain}};
  desk.datasets = {"chest", "chest-ap"};
  std::string text = kPolicy + "maximum_sums: 100\n";
  text.replace(text.find("[chest]"), 7, "[chest, chest-ap]").replace(text.find("[bob]"), 5, "[ada, bob]");
  desk.policy = policy::parse_policy(text, "policy.yaml").value();
  std::uint64_t given = 0;
  desk.gate.emplace(JobGate::Parts{.approvals = *desk.approvals,
                                   .trust = signing().trust,
                                   .consortium = "lung",
                                   .now = [&] { return desk.now; },
                                   .sums_given = [&](const std::string& population) -> Result<std::uint64_t> {
                                     CHECK(population == "lungs");
                                     return given;
                                   }});
  const auto first = desk.offer(signing().offer("tiny-1", spec(), "bob"));
  CHECK(first.log == "accepted by the policy");
  job::JobSpec other = spec(4);
  other.data.dataset = "chest-ap";
  SECTION("each job's are added, under either name") {
    CHECK(desk.offer(signing().offer("tiny-2", other, "ada")).consent == JobConsent::kAccepted);
    CHECK(desk.approvals->sums_of("lungs").value() == 82);
    other.name = "renamed";
    CHECK(desk.offer(signing().offer("tiny-3", other, "ada")).reason == "maximum_sums");
    CHECK(desk.offer(signing().offer("tiny-4", spec(5), "bob")).reason == "maximum_sums");
    // The running job continues, even after a restart, and isn't counted again.
    desk.approvals.reset();
    desk.approvals = Approvals::open(desk.folder.path()).value();
    desk.use(signing());
    CHECK(desk.offer(signing().offer("tiny-1", spec(), "bob")).consent == JobConsent::kAccepted);
    CHECK(desk.offer(signing().offer("tiny-5", spec(6), "bob")).reason == "maximum_sums");
  }
  SECTION("and the ledger's are not fewer, though the record of approvals was lost") {
    given = 60;
    CHECK(desk.offer(signing().offer("tiny-2", other, "ada")).reason == "maximum_sums");
  }
}

TEST_CASE("another researcher's job waits until a person decides") {
  GateDesk desk;
  const wire::JobOffer offer = signing().offer("tiny-1", spec());
  CHECK(desk.offer(offer).consent == JobConsent::kWaits);
  CHECK_FALSE(desk.approvals->accepted_as("tiny-1").value());
  REQUIRE(desk.approvals->offers().value().size() == 1);
  CHECK(desk.approvals->offers().value()[0].job.researcher == "ada");
  desk.decide(true);
  CHECK(desk.offer(offer).consent == JobConsent::kAccepted);
  desk.decide(false);
  const Verdict declined = desk.offer(offer);
  CHECK(declined.consent == JobConsent::kDeclined);
  CHECK(declined.reason == "declined");
}

TEST_CASE("a signature is looked at before anything else, at every offer") {
  GateDesk desk;
  desk.decide(true);
  wire::JobOffer offer = signing().offer("tiny-1", spec());
  SECTION("an unsigned job") { offer.signature = {}; }
  SECTION("a job that somebody else on the roster is said to have sent") {
    offer.signature.certificate = signing().sign("bob", job::job_digest(spec())).certificate;
  }
  SECTION("a researcher who isn't on the roster") { offer = signing().offer("tiny-1", spec(), "mallory"); }
  SECTION("a signature under another job") { offer.signature = signing().sign("ada", crypto::sha256("other")); }
  SECTION("a text that isn't the signed one, though it means the same") { offer.spec += ' '; }
  SECTION("a text that is no job at all") { offer.spec = "{"; }
  SECTION("one that came too late") { desk.now = kNow + 3601; }
  SECTION("a roster without researchers") { desk.roster.researchers.clear(); }
  const Verdict verdict = desk.offer(offer);
  CHECK(verdict.consent == JobConsent::kDeclined);
  CHECK(verdict.reason == "signature");
  CHECK(verdict.researcher.empty());
  CHECK(desk.approvals->offers().value().empty());
}

TEST_CASE("a listed digest needs a signature, too") {
  GateDesk desk;
  desk.rule("accept_digests: [" + crypto::to_hex(job::job_digest(spec())) + "]\n");
  CHECK(desk.offer(signing().offer("tiny-1", spec(), "mallory")).reason == "signature");
  CHECK(desk.offer(signing().offer("tiny-1", spec(), "ada")).consent == JobConsent::kAccepted);
}

TEST_CASE("a revoked researcher's job is declined when it is offered again") {
  Signing people;
  GateDesk desk;
  desk.use(people);
  const wire::JobOffer offer = people.offer("tiny-1", spec(), "bob");
  REQUIRE(desk.offer(offer).consent == JobConsent::kAccepted);
  people.revoke("bob");
  CHECK(desk.offer(offer).reason == "signature");
}

TEST_CASE("a signed text that isn't canonical is declined: approval and digest would not be of the same job") {
  GateDesk desk;
  const std::string text = job::canonical_text(spec()) + " ";
  const wire::JobOffer offer{"tiny-1", text, signing().sign("bob", job::digest_of_text(text))};
  CHECK(desk.offer(offer).reason == "spec");
}

TEST_CASE("an expired signature doesn't stop a job that the site has seen before") {
  GateDesk desk;
  const wire::JobOffer offer = signing().offer("tiny-1", spec());
  REQUIRE(desk.offer(offer).consent == JobConsent::kWaits);
  desk.now += 1'000'000;
  desk.decide(true);
  CHECK(desk.offer(offer).consent == JobConsent::kAccepted);
}

TEST_CASE("what a coordinator hears of a refusal has no value of the policy in it") {
  GateDesk desk;
  job::JobSpec job = spec();
  job.data.dataset = "ct";
  job.federation.rounds = 5000;
  const Verdict verdict = desk.offer(signing().offer("tiny-1", job));
  CHECK(verdict.reason == "datasets, max_rounds");
  CHECK(verdict.log.find("the policy allows at most 100") != std::string::npos);
}

TEST_CASE("one job is served under one id, whoever approves it again") {
  GateDesk desk;
  REQUIRE(desk.offer(signing().offer("tiny-1", spec(), "bob")).consent == JobConsent::kAccepted);
  CHECK(desk.offer(signing().offer("tiny-2", spec(), "bob")).reason == "job_id");
  CHECK(desk.offer(signing().offer("tiny-1", spec(4), "bob")).reason == "job_id");
  CHECK(desk.offer(signing().offer("tiny-2", spec(4), "bob")).consent == JobConsent::kAccepted);
}

TEST_CASE(
    "a job that is offered under two ids waits until both are over, and is listed as the one that it runs under") {
  GateDesk desk;
  const auto listed = [&] { return desk.approvals->offers().value(); };
  REQUIRE(desk.offer(signing().offer("tiny-1", spec())).consent == JobConsent::kWaits);
  REQUIRE(desk.offer(signing().offer("tiny-2", spec())).consent == JobConsent::kWaits);
  REQUIRE(listed().size() == 1);
  CHECK(listed()[0].job_id == "tiny-2");
  REQUIRE(desk.gate->ended("tiny-2"));
  REQUIRE(listed().size() == 1);
  CHECK(listed()[0].job_id == "tiny-1");
  SECTION("a person can still decide about it") {
    desk.decide(true);
    CHECK(desk.offer(signing().offer("tiny-1", spec())).consent == JobConsent::kAccepted);
    CHECK(desk.offer(signing().offer("tiny-3", spec())).reason == "job_id");
    CHECK(listed()[0].job_id == "tiny-1");
  }
  SECTION("once the other is over, too, nothing waits") {
    REQUIRE(desk.gate->ended("tiny-1"));
    CHECK(listed().empty());
  }
}

TEST_CASE("a population gives as many sums as the policy says, and no more") {
  GateDesk desk;
  desk.rule("maximum_sums: 50\n");
  REQUIRE(desk.offer(signing().offer("tiny-1", spec(), "bob")).consent == JobConsent::kAccepted);
  const Verdict verdict = desk.offer(signing().offer("tiny-2", spec(4), "bob"));
  CHECK(verdict.reason == "maximum_sums");
  CHECK(verdict.log == "maximum_sums: the job needs 41 sums over 'chest', but 41 of 50 are already used");
}

}  // namespace
}  // namespace consilium::approval
