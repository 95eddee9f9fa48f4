#include "client/session/session_machine.h"

#include <catch2/catch.hpp>

#include "common/job/job_text.h"
#include "common/model/model_parameters.h"
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

/// With the policy above, unless another is given.
struct Site : PlayedSite {
  explicit Site(const std::string& policy = kPolicy) : PlayedSite(policy) {}
};

job::JobSpec spec() { return job::parse_job(kJob, "job.yaml").value(); }
wire::JobOffer job_offer(const std::string& researcher = "ada") {
  return {"tiny-1", job::canonical_text(spec()), researcher};
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
  const auto hello = sent<wire::SiteHello>(site.feed(Connected{}));
  REQUIRE(hello.size() == 1);
  CHECK(hello[0].datasets == std::vector<std::string>{"chest"});
}

TEST_CASE("a job that the policy allows is accepted and warmed up, once") {
  Site site;
  const auto effects = site.receive(job_offer());
  REQUIRE(sent<wire::JobAnswer>(effects).size() == 1);
  CHECK(sent<wire::JobAnswer>(effects)[0].accepted);
  CHECK(only<Warm>(effects).size() == 1);
  CHECK(only<Warm>(site.receive(job_offer())).empty());
}

TEST_CASE("a job that the policy forbids is declined with the reason, and its sessions refused") {
  Site site;
  const auto effects = site.receive(job_offer("mallory"));
  REQUIRE(sent<wire::JobAnswer>(effects).size() == 1);
  CHECK_FALSE(sent<wire::JobAnswer>(effects)[0].accepted);
  CHECK(sent<wire::JobAnswer>(effects)[0].reason.find("mallory") != std::string::npos);
  CHECK(only<Warm>(effects).empty());

  const auto refused = site.receive(session_offer(job::SumKind::kTrain, 1));
  CHECK(sent<wire::SessionFailed>(refused).size() == 1);
  CHECK(only<Fetch>(refused).empty());
}

TEST_CASE("a job on data that the site hasn't is declined") {
  Site site(std::string(kPolicy).replace(kPolicy.find("[chest]"), 7, "[chest, other]"));
  auto other = spec();
  other.data.dataset = "other";
  const auto answers =
      sent<wire::JobAnswer>(site.receive(wire::JobOffer{"other-1", job::canonical_text(other), "ada"}));
  REQUIRE(answers.size() == 1);
  CHECK_FALSE(answers[0].accepted);
  CHECK(answers[0].reason.find("other") != std::string::npos);
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
  CHECK(sent<wire::SessionFailed>(over)[0].reason == "training failed: trainer killed by signal 11");
}

TEST_CASE("an out-of-memory is not tried again in the same round") {
  Site site = accepted_site();
  const auto offer = session_offer(job::SumKind::kTrain, 1);
  site.receive(offer);
  site.feed(Fetched{offer.key});
  const auto effects = site.feed(StepFailed{offer.key, {ErrorCode::kResourceExhausted, "CUDA out of memory"}});
  REQUIRE(sent<wire::SessionFailed>(effects).size() == 1);
  CHECK(sent<wire::SessionFailed>(effects)[0].reason == "training failed: CUDA out of memory");
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
