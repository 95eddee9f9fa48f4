#include "client/session/session_machine.h"

#include "common/job/job_text.h"
#include "common/model/model_parameters.h"
#include "tests/catch.h"
#include "tests/unit/client/session/played_site.h"

using namespace consilium;
using namespace consilium::session;

namespace {

const std::string kJob = R"(
name: tiny
model: {layers: [{linear: 2}], input: [3], classes: 2}
data: {dataset: chest}
training: {local_epochs: 1, batch_size: 10, optimizer: {name: sgd, learning_rate: 0.1}}
federation: {rounds: 2, minimum_sites: 2}
strategy: {name: fedavg}
privacy: {secure_aggregation: off}
seed: 3
)";

const std::string kPolicy = R"(
researchers: [ada]
datasets: [chest]
tasks: [classification]
strategies: [fedavg, fedprox]
max_rounds: 100
max_local_epochs: 10
minimum_cohort: 2
allow_unmasked: true
)";

/// Uses the policy above, unless another is given.
struct Site : PlayedSite {
  explicit Site(const std::string& policy = kPolicy) : PlayedSite(policy) {
    approve(job::parse_job(kJob, "job.yaml").value());
  }
};

job::JobSpec spec() { return job::parse_job(kJob, "job.yaml").value(); }
wire::JobOffer job_offer(const std::string& researcher = "ada") {
  return approval::signing().offer("tiny-1", spec(), researcher);
}

wire::SessionOffer session_offer(job::SumKind kind, std::uint32_t round, std::uint32_t attempt = 1) {
  const job::SessionKey key{"tiny-1", kind, round, attempt};
  const crypto::Digest model = kind == job::SumKind::kCensus ? crypto::Digest{} : crypto::sha256("model");
  const auto order = job::expected_order(spec(), key, kind == job::SumKind::kCensus ? 0 : 100, model).value();
  return {key, job::encode(order), kind == job::SumKind::kCensus ? 0U : 8 * sizeof(float)};
}

Site accepted_site() {
  Site site;
  site.receive(job_offer());
  return site;
}

}  // namespace

TEST_CASE("a site introduces itself when it is connected") {
  Site site;
  const auto hello = sent<wire::SiteHello>(site.feed(Connected{approval::kHub}));
  REQUIRE(hello.size() == 1);
  CHECK(hello[0].datasets == std::vector<std::string>{"chest"});
}

TEST_CASE("a job that the policy allows is accepted and warmed up, once") {
  Site site;
  const auto effects = site.receive(job_offer());
  REQUIRE(sent<wire::JobAnswer>(effects).size() == 1);
  CHECK(sent<wire::JobAnswer>(effects)[0].consent == wire::JobConsent::kAccepted);
  CHECK(only<Warm>(effects).size() == 1);
  CHECK(only<Warm>(site.receive(job_offer())).empty());
}

TEST_CASE("a job that the policy forbids is declined with its key, and its sessions refused") {
  Site site(std::string(kPolicy).replace(kPolicy.find("max_rounds: 100"), 15, "max_rounds: 1"));
  const auto effects = site.receive(job_offer());
  REQUIRE(sent<wire::JobAnswer>(effects).size() == 1);
  CHECK(sent<wire::JobAnswer>(effects)[0] == wire::JobAnswer{"tiny-1", wire::JobConsent::kDeclined, "max_rounds"});
  CHECK(only<Warm>(effects).empty());

  const auto refused = site.receive(session_offer(job::SumKind::kTrain, 1));
  CHECK(sent<wire::SessionFailed>(refused).size() == 1);
  CHECK(only<Fetch>(refused).empty());
}

TEST_CASE("a job on data that the site hasn't is declined") {
  Site site(std::string(kPolicy).replace(kPolicy.find("[chest]"), 7, "[chest, other]"));
  auto other = spec();
  other.data.dataset = "other";
  const auto answers = sent<wire::JobAnswer>(site.receive(approval::signing().offer("other-1", other)));
  REQUIRE(answers.size() == 1);
  CHECK(answers[0] == wire::JobAnswer{"other-1", wire::JobConsent::kDeclined, "datasets"});
}

TEST_CASE("a round goes from offer through fetch, training and upload to rest") {
  Site site = accepted_site();
  const auto offer = session_offer(job::SumKind::kTrain, 1);
  REQUIRE(only<Fetch>(site.receive(offer)).size() == 1);
  REQUIRE(only<Work>(site.feed(Fetched{offer.key})).size() == 1);
  REQUIRE(only<Upload>(site.feed(Worked{offer.key, true})).size() == 1);
  site.feed(Uploaded{offer.key});
  CHECK_FALSE(site.state().active.has_value());
}

TEST_CASE("a census needs no model") {
  Site site = accepted_site();
  const auto effects = site.receive(session_offer(job::SumKind::kCensus, 0));
  CHECK(only<Fetch>(effects).empty());
  CHECK(only<Work>(effects).size() == 1);
}

TEST_CASE("partial work that the strategy drops is answered without a vector") {
  Site site = accepted_site();
  const auto offer = session_offer(job::SumKind::kTrain, 1);
  site.receive(offer);
  site.feed(Fetched{offer.key});
  const auto effects = site.feed(Worked{offer.key, false});
  CHECK(only<Upload>(effects).empty());
  CHECK(sent<wire::SessionPartial>(effects).size() == 1);
  CHECK_FALSE(site.state().active.has_value());
}

TEST_CASE("sessions wait for each other: a site has one trainer") {
  Site site = accepted_site();
  const auto first = session_offer(job::SumKind::kTrain, 1);
  const auto second = session_offer(job::SumKind::kEvaluate, 1);
  site.receive(first);
  CHECK(site.receive(second).empty());
  site.feed(Fetched{first.key});
  site.feed(Worked{first.key, true});
  const auto effects = site.feed(Uploaded{first.key});
  REQUIRE(only<Fetch>(effects).size() == 1);
  CHECK(only<Fetch>(effects)[0].session.key == second.key);
}

TEST_CASE("a trainer killed by a signal trains once more, then the round hears that training failed") {
  Site site = accepted_site();
  const auto offer = session_offer(job::SumKind::kTrain, 1);
  site.receive(offer);
  site.feed(Fetched{offer.key});
  const Error killed{ErrorCode::kUnavailable, "trainer killed by signal 11"};
  const auto again = site.feed(StepFailed{offer.key, killed});
  CHECK(only<Work>(again).size() == 1);
  CHECK(sent<wire::SessionFailed>(again).empty());
  const auto over = site.feed(StepFailed{offer.key, killed});
  CHECK(only<Work>(over).empty());
  REQUIRE(sent<wire::SessionFailed>(over).size() == 1);
  CHECK(sent<wire::SessionFailed>(over)[0].reason == "training failed: unavailable; the site's log says why");
}

TEST_CASE("an out-of-memory is not tried again in the same round") {
  Site site = accepted_site();
  const auto offer = session_offer(job::SumKind::kTrain, 1);
  site.receive(offer);
  site.feed(Fetched{offer.key});
  const auto effects = site.feed(StepFailed{offer.key, {ErrorCode::kResourceExhausted, "CUDA out of memory"}});
  REQUIRE(sent<wire::SessionFailed>(effects).size() == 1);
  CHECK(sent<wire::SessionFailed>(effects)[0].reason == "training failed: resource_exhausted; the site's log says why");
}

TEST_CASE("the words of a failure stay in the site's log, whichever step failed") {
  Site site = accepted_site();
  const auto offer = session_offer(job::SumKind::kTrain, 1);
  site.receive(offer);
  SECTION("fetching") {}
  SECTION("working") { site.feed(Fetched{offer.key}); }
  SECTION("uploading") {
    site.feed(Fetched{offer.key});
    site.feed(Worked{offer.key, true});
  }
  const std::string words = "3 of 40 files can't be read, the first: Roe_Jane/CT1.dcm: 17 bytes";
  const auto effects = site.feed(StepFailed{offer.key, {ErrorCode::kInvalidArgument, words}});
  REQUIRE(sent<wire::SessionFailed>(effects).size() == 1);
  CHECK_THAT(sent<wire::SessionFailed>(effects)[0].reason,
             Catch::EndsWith("failed: invalid_argument; the site's log says why"));
  REQUIRE(only<Note>(effects).size() == 1);
  CHECK_THAT(only<Note>(effects)[0].text, Catch::EndsWith(words));
  CHECK(only<Note>(effects)[0].event == logging::Event::kSessionFailed);
}

TEST_CASE("a round order that isn't the accepted job's is refused before any work") {
  Site site = accepted_site();
  auto offer = session_offer(job::SumKind::kTrain, 1);
  auto order = job::decode_round_order(offer.order).value();
  SECTION("more epochs") { order.local_epochs = 7; }
  SECTION("another learning rate") { order.optimizer.learning_rate = 0.2; }
  SECTION("another seed") { order.seed = 4; }
  SECTION("another job") { order.job = crypto::sha256("another job"); }
  SECTION("another round") { order.round = 2; }
  SECTION("a proximal term") { order.proximal_mu = 1.0; }
  SECTION("a layout that asks for more") {
    auto fields = order.layout.fields();
    fields.push_back(encoding::count_field("patients", 1, 1000));
    order.layout = encoding::VectorLayout::create(fields).value();
  }
  offer.order = job::encode(order);
  const auto effects = site.receive(offer);
  CHECK(only<Fetch>(effects).empty());
  REQUIRE(sent<wire::SessionFailed>(effects).size() == 1);
  CHECK_FALSE(sent<wire::SessionFailed>(effects)[0].reason.empty());
  CHECK_FALSE(site.state().active.has_value());
}

TEST_CASE("a global model of the wrong size is refused before it is fetched") {
  Site site = accepted_site();
  auto offer = session_offer(job::SumKind::kTrain, 1);
  offer.model_bytes += 4;
  CHECK(only<Fetch>(site.receive(offer)).empty());
}

TEST_CASE("what comes for a session that isn't under way changes nothing") {
  Site site = accepted_site();
  const auto offer = session_offer(job::SumKind::kTrain, 1);
  const auto stale = session_offer(job::SumKind::kTrain, 1, 2);
  site.receive(offer);
  CHECK(site.feed(Fetched{stale.key}).empty());
  CHECK(site.feed(Worked{offer.key, true}).empty());  // it is still fetching
  CHECK(site.feed(Uploaded{stale.key}).empty());
  CHECK(site.feed(StepFailed{stale.key, {}}).empty());
  CHECK(site.state().active->step == Step::kFetching);
}

TEST_CASE("a closed session is abandoned and the next one begins") {
  Site site = accepted_site();
  const auto first = session_offer(job::SumKind::kTrain, 1);
  const auto second = session_offer(job::SumKind::kTrain, 2);
  site.receive(first);
  site.receive(second);
  const auto effects = site.receive(wire::SessionClosed{first.key, "deadline"});
  REQUIRE(only<Abandon>(effects).size() == 1);
  CHECK(only<Abandon>(effects)[0].key == first.key);
  REQUIRE(only<Fetch>(effects).size() == 1);
  CHECK(only<Fetch>(effects)[0].session.key == second.key);
}

TEST_CASE("an ended job takes its sessions with it") {
  Site site = accepted_site();
  const auto offer = session_offer(job::SumKind::kTrain, 1);
  site.receive(offer);
  const auto effects = site.receive(wire::JobEnded{"tiny-1", "finished"});
  CHECK(only<Abandon>(effects).size() == 1);
  CHECK(site.state().jobs.empty());
  CHECK(sent<wire::SessionFailed>(site.receive(offer)).size() == 1);
}

TEST_CASE("a lost connection drops everything: the coordinator offers again") {
  Site site = accepted_site();
  site.receive(session_offer(job::SumKind::kTrain, 1));
  CHECK(only<Abandon>(site.feed(Disconnected{})).size() == 1);
  CHECK(site.state().jobs.empty());
  CHECK_FALSE(site.state().active.has_value());
}

TEST_CASE("a coordinator can't make a site keep sessions without bound") {
  Site site = accepted_site();
  for (std::uint32_t attempt = 1; attempt <= kMaxWaiting + 1; ++attempt)
    site.receive(session_offer(job::SumKind::kTrain, 1, attempt));
  CHECK(site.state().waiting.size() == kMaxWaiting);
  CHECK(sent<wire::SessionFailed>(site.receive(session_offer(job::SumKind::kTrain, 1, kMaxWaiting + 2))).size() == 1);
}

TEST_CASE("a job waits for a person, and what they decide reaches the coordinator at once") {
  PlayedSite site(kPolicy);
  const auto waits = site.receive(job_offer());
  CHECK(sent<wire::JobAnswer>(waits).at(0) == wire::JobAnswer{"tiny-1", wire::JobConsent::kWaits, ""});
  CHECK(only<Warm>(waits).empty());
  CHECK(sent<wire::SessionFailed>(site.receive(session_offer(job::SumKind::kTrain, 1))).size() == 1);
  SECTION("approved") {
    site.approve(spec());
    const auto effects = site.feed(Reconsider{});
    CHECK(sent<wire::JobAnswer>(effects).at(0) == wire::JobAnswer{"tiny-1", wire::JobConsent::kAccepted, ""});
    CHECK(only<Warm>(effects).size() == 1);
    CHECK(only<Fetch>(site.receive(session_offer(job::SumKind::kTrain, 1))).size() == 1);
  }
  SECTION("declined") {
    site.decline(spec());
    const auto effects = site.feed(Reconsider{});
    CHECK(sent<wire::JobAnswer>(effects).at(0) == wire::JobAnswer{"tiny-1", wire::JobConsent::kDeclined, "declined"});
    CHECK(site.state().offers.empty());
  }
  SECTION("for another researcher's copy of the job: that one is not approved") {
    site.approve(spec(), "bob");
    CHECK(sent<wire::JobAnswer>(site.feed(Reconsider{})).at(0).consent == wire::JobConsent::kWaits);
  }
  SECTION("the job ended meanwhile") {
    site.receive(wire::JobEnded{"tiny-1", "stopped"});
    site.approve(spec());
    CHECK(site.feed(Reconsider{}).empty());
  }
}

TEST_CASE("a person ends a job that runs by declining it") {
  Site site = accepted_site();
  site.receive(session_offer(job::SumKind::kTrain, 1));
  site.decline(spec());
  const auto effects = site.feed(Reconsider{});
  CHECK(sent<wire::JobAnswer>(effects).at(0).consent == wire::JobConsent::kDeclined);
  CHECK(only<Abandon>(effects).size() == 1);
  CHECK(site.state().jobs.empty());
}

TEST_CASE("a site above the bound leaves the job, and tells the rule without a number") {
  Site site = accepted_site();
  const auto offer = session_offer(job::SumKind::kCensus, 0);
  site.receive(offer);
  const auto effects = site.feed(AboveBound{offer.key, "this site has 66 training examples"});
  CHECK(sent<wire::JobAnswer>(effects).at(0) == wire::JobAnswer{"tiny-1", wire::JobConsent::kDeclined, "examples"});
  CHECK(sent<wire::SessionFailed>(effects).empty());
  CHECK(only<Note>(effects).at(0).text == "declined job tiny-1: this site has 66 training examples");
  CHECK(only<Note>(effects).at(0).event == logging::Event::kJobDeclined);
  CHECK(only<Note>(effects).at(0).job == "tiny-1");
  CHECK(site.state().jobs.empty());
  CHECK(site.feed(AboveBound{offer.key, "again"}).empty());
}

TEST_CASE("a second offer of an id doesn't swap the job") {
  Site site = accepted_site();
  job::JobSpec other = spec();
  other.seed = 99;
  site.approve(other);
  const auto effects = site.receive(approval::signing().offer("tiny-1", other));
  CHECK(sent<wire::JobAnswer>(effects).at(0) == wire::JobAnswer{"tiny-1", wire::JobConsent::kDeclined, "job_id"});
  CHECK(site.state().jobs.at("tiny-1").digest == job::job_digest(spec()));
  CHECK(only<Fetch>(site.receive(session_offer(job::SumKind::kTrain, 1))).size() == 1);
}

TEST_CASE("a job is served under its first id, over a lost connection too") {
  Site site = accepted_site();
  const auto again = approval::signing().offer("tiny-2", spec());
  CHECK(sent<wire::JobAnswer>(site.receive(again)).at(0) ==
        wire::JobAnswer{"tiny-2", wire::JobConsent::kDeclined, "job_id"});
  site.feed(Disconnected{});
  site.feed(Connected{approval::kHub});
  CHECK(sent<wire::JobAnswer>(site.receive(again)).at(0).consent == wire::JobConsent::kDeclined);
  CHECK(sent<wire::JobAnswer>(site.receive(job_offer())).at(0).consent == wire::JobConsent::kAccepted);
}

TEST_CASE("a job whose signature is another coordinator's is declined, whatever people approved") {
  Site site;
  site.feed(Connected{"spiffe://lung/coordinator/other"});
  CHECK(sent<wire::JobAnswer>(site.receive(job_offer())).at(0) ==
        wire::JobAnswer{"tiny-1", wire::JobConsent::kDeclined, "signature"});
}
