// A site's machine in masked jobs: which events it waits for, what it never sends, and when it is done.
#include <algorithm>

#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/model/model_parameters.h"
#include "tests/catch.h"
#include "tests/unit/client/session/played_site.h"

using namespace consilium;
using namespace consilium::session;
using job::SumKind;

namespace {

const std::vector<std::string> kSites{"east", "north", "south", "west"};

const std::string kJob = R"(
name: tiny
model: {layers: [{linear: 2}], input: [3], classes: 2}
data: {dataset: chest}
training: {local_epochs: 1, batch_size: 10, optimizer: {name: sgd, learning_rate: 0.1}}
federation: {rounds: 2}
strategy: {name: fedavg}
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
)";

job::JobSpec spec() {
  return job::with_roster(job::parse_job(kJob, "job.yaml").value(), job::simulated_roster(kSites)).value();
}

wire::SessionOffer session_offer(SumKind kind, std::uint32_t round, std::uint32_t attempt = 1,
                                 const std::string& job_id = "tiny-1", const job::JobSpec& job = spec()) {
  const job::SessionKey key{job_id, kind, round, attempt};
  const bool census = kind == SumKind::kCensus;
  const auto order =
      job::expected_order(job, key, census ? 0 : 100, census ? crypto::Digest{} : crypto::sha256("model")).value();
  return {key, job::encode(order), census ? 0U : 8 * sizeof(float)};
}

struct Site : PlayedSite {
  explicit Site(roster::Roster roster = {.consortium = "lung", .sites = job::simulated_roster(kSites)})
      : PlayedSite(kPolicy, "north", job::simulated_roster({"north"}).at("north"), std::move(roster)) {
    feed(Connected{approval::kHub});
    approve(spec());
  }
  /// Offers the job and returns the site's answer to it.
  wire::JobAnswer offer(const job::JobSpec& job = spec(), const std::string& job_id = "tiny-1") {
    return sent<wire::JobAnswer>(receive(approval::signing().offer(job_id, job))).at(0);
  }
};

Site accepted_site() {
  Site site;
  REQUIRE(site.offer().consent == wire::JobConsent::kAccepted);
  return site;
}

/// A site in round 1 that has trained and has agreed on its masks, so it uploads.
struct Uploading {
  Site site = accepted_site();
  wire::SessionOffer offer = session_offer(SumKind::kTrain, 1);
  job::SessionKey key = offer.key;
  Uploading() {
    site.receive(offer);
    site.feed(Fetched{key});
    site.feed(Keyed{key});
    REQUIRE(only<Upload>(site.feed(Worked{key})).size() == 1);
  }
};

std::string notes(const std::vector<SiteEffect>& effects) {
  std::string text;
  for (const Note& note : only<Note>(effects)) text += note.text + '\n';
  return text;
}

}  // namespace

TEST_CASE("keys are advertised at once, and nothing waits for them before the upload") {
  Site site = accepted_site();
  const auto offer = session_offer(SumKind::kTrain, 1);
  const auto effects = site.receive(offer);
  REQUIRE(only<BeginMasking>(effects).size() == 1);
  CHECK(only<BeginMasking>(effects)[0].session.key == offer.key);
  CHECK(only<Fetch>(effects).size() == 1);
  CHECK(only<Work>(site.feed(Fetched{offer.key})).size() == 1);
  const auto passed = only<Mask>(site.receive(wire::Masking{offer.key, {std::byte{1}}}));
  REQUIRE(passed.size() == 1);
  CHECK(passed[0].message.message == std::vector<std::byte>{std::byte{1}});
}

TEST_CASE("a session that waits for another's end advertises its keys all the same") {
  Site site = accepted_site();
  site.receive(session_offer(SumKind::kTrain, 1));
  const auto second = session_offer(SumKind::kEvaluate, 1);
  const auto effects = site.receive(second);
  CHECK(only<BeginMasking>(effects).size() == 1);
  CHECK(only<Fetch>(effects).empty());
  site.feed(Keyed{second.key});
  CHECK(site.state().waiting.at(0).keyed);
}

TEST_CASE("the vector leaves once the work is done and the masks are agreed on, whichever comes first") {
  Site site = accepted_site();
  const auto offer = session_offer(SumKind::kTrain, 1);
  site.receive(offer);
  site.feed(Fetched{offer.key});
  SECTION("the masks first") {
    CHECK(only<Upload>(site.feed(Keyed{offer.key})).empty());
    CHECK(only<Upload>(site.feed(Worked{offer.key})).size() == 1);
  }
  SECTION("the work first") {
    CHECK(only<Upload>(site.feed(Worked{offer.key})).empty());
    CHECK(site.state().active->step == Step::kAwaitingMasks);
    CHECK(only<Upload>(site.feed(Keyed{offer.key})).size() == 1);
  }
  CHECK(site.state().active->step == Step::kUploading);
  CHECK(only<Upload>(site.feed(Keyed{offer.key})).empty());  // once
}

TEST_CASE(
    "confirmation and revelation may come before the vector's receipt; in every order the session comes to rest") {
  // Signing precedes revealing. The receipt can arrive at any time.
  const auto order = GENERATE(std::string("ucr"), std::string("cur"), std::string("cru"));
  Uploading run;
  for (const char what : order) {
    if (what == 'u') run.site.feed(Uploaded{run.key});
    if (what == 'c') run.site.feed(Confirmed{run.key});
    if (what == 'r') run.site.feed(Revealed{run.key});
  }
  CHECK_FALSE(run.site.state().active.has_value());
  CHECK(run.site.state().confirming.empty());
  CHECK(only<Fetch>(run.site.receive(session_offer(SumKind::kTrain, 2))).size() == 1);
}

TEST_CASE("a receipt that is lost after the survivors were listed fails nothing: the vector is in the sum") {
  Uploading run;
  run.site.feed(Confirmed{run.key});
  const bool revealed = GENERATE(false, true);
  if (revealed) run.site.feed(Revealed{run.key});
  const auto effects = run.site.feed(StepFailed{run.key, {ErrorCode::kUnavailable, "the stream broke"}});
  CHECK(sent<wire::SessionFailed>(effects).empty());
  CHECK(only<EndMasking>(effects).empty());
  CHECK_FALSE(run.site.state().active.has_value());
  CHECK(run.site.state().confirming.contains(run.key) == !revealed);
}

TEST_CASE("no session of a job begins while another is confirmed and its masks are on; other jobs' do") {
  Uploading run;
  run.site.feed(Uploaded{run.key});
  run.site.feed(Confirmed{run.key});
  const auto next = session_offer(GENERATE(SumKind::kTrain, SumKind::kEvaluate), 2);
  const auto effects = run.site.receive(next);
  CHECK(only<BeginMasking>(effects).empty());
  REQUIRE(sent<wire::SessionFailed>(effects).size() == 1);
  CHECK(sent<wire::SessionFailed>(effects)[0].reason.empty());
  CHECK_THAT(notes(effects), Catch::Contains("is confirmed, and its masks are still on"));

  job::JobSpec other = spec();
  other.seed += 1;
  run.site.approve(other);
  REQUIRE(run.site.offer(other, "tiny-2").consent == wire::JobConsent::kAccepted);
  CHECK(only<BeginMasking>(run.site.receive(session_offer(SumKind::kTrain, 1, 1, "tiny-2", other))).size() == 1);
  run.site.feed(Revealed{run.key});
  CHECK(only<BeginMasking>(run.site.receive(next)).size() == 1);
}

TEST_CASE("what is only sent, and not confirmed, holds up no further attempt") {
  Uploading run;
  run.site.feed(Uploaded{run.key});
  CHECK(only<BeginMasking>(run.site.receive(session_offer(SumKind::kTrain, 1, 2))).size() == 1);
}

TEST_CASE("a lost connection ends what has sent nothing, and keeps what was sent for its last steps") {
  Site site = accepted_site();
  const auto offer = session_offer(SumKind::kTrain, 1);
  const auto waiting = session_offer(SumKind::kEvaluate, 1);
  const auto lose = [&] { return site.feed(Disconnected{}); };
  SECTION("fetching, with another waiting") {
    site.receive(offer);
    site.receive(waiting);
    const auto effects = lose();
    CHECK(only<Abandon>(effects).size() == 1);
    CHECK(only<EndMasking>(effects).size() == 2);
  }
  SECTION("training") {
    site.receive(offer);
    site.feed(Fetched{offer.key});
    const auto effects = lose();
    CHECK(only<Abandon>(effects).size() == 1);
    CHECK(only<EndMasking>(effects).size() == 1);
  }
  SECTION("waiting for masks") {
    site.receive(offer);
    site.feed(Fetched{offer.key});
    site.feed(Worked{offer.key});
    CHECK(only<EndMasking>(lose()).size() == 1);
  }
  SECTION("uploading") {
    Uploading run;
    CHECK(only<EndMasking>(run.site.feed(Disconnected{})).size() == 1);
    CHECK(run.site.state().confirming.empty());
    lose();
  }
  CHECK(site.state().confirming.empty());
  CHECK_FALSE(site.state().active.has_value());
  CHECK(site.state().waiting.empty());
  CHECK(only<Upload>(site.feed(Keyed{offer.key})).empty());
  CHECK(only<Upload>(site.feed(Worked{offer.key})).empty());
}

TEST_CASE("after a reconnection what was sent can still be confirmed and revealed, and holds up nothing new") {
  Uploading run;
  run.site.feed(Uploaded{run.key});
  const bool confirmed = GENERATE(false, true);
  if (confirmed) run.site.feed(Confirmed{run.key});
  CHECK(only<EndMasking>(run.site.feed(Disconnected{})).empty());
  run.site.feed(Connected{approval::kHub});
  REQUIRE(run.site.offer().consent == wire::JobConsent::kAccepted);
  CHECK(only<Mask>(run.site.receive(wire::Masking{run.key, {}})).size() == 1);
  REQUIRE(run.site.state().confirming.contains(run.key));
  CHECK(only<BeginMasking>(run.site.receive(session_offer(SumKind::kTrain, 2))).size() == 1);
  run.site.feed(Revealed{run.key});
  CHECK(run.site.state().confirming.empty());
}

TEST_CASE("a refused masking message ends the session; why, only the site's own log says") {
  Site site = accepted_site();
  const auto offer = session_offer(SumKind::kTrain, 1);
  const Error error{ErrorCode::kPermissionDenied, "survivors: west never shared its keys"};
  std::vector<SiteEffect> effects;
  const auto check = [&](const std::vector<SiteEffect>& effects, bool abandons) {
    REQUIRE(sent<wire::SessionFailed>(effects).size() == 1);
    CHECK(sent<wire::SessionFailed>(effects)[0].code == ErrorCode::kPermissionDenied);
    CHECK(sent<wire::SessionFailed>(effects)[0].reason.empty());
    CHECK_THAT(notes(effects), Catch::Contains("west never shared its keys") && Catch::Contains("tiny-1"));
    CHECK(only<EndMasking>(effects).size() == 1);
    CHECK(only<Abandon>(effects).size() == (abandons ? 1 : 0));
  };
  SECTION("while it trains") {
    site.receive(offer);
    site.feed(Fetched{offer.key});
    check(site.feed(MaskingRefused{offer.key, error}), true);
    CHECK_FALSE(site.state().active.has_value());
  }
  SECTION("while it waits its turn") {
    site.receive(session_offer(SumKind::kEvaluate, 1));
    site.receive(offer);
    check(site.feed(MaskingRefused{offer.key, error}), false);
    CHECK(site.state().waiting.empty());
    CHECK(site.state().active.has_value());
  }
  SECTION("after its vector has left") {
    Uploading run;
    run.site.feed(Uploaded{run.key});
    check(run.site.feed(MaskingRefused{run.key, error}), false);
    CHECK(run.site.state().confirming.empty());
  }
  SECTION("in a session that isn't under way it is noted and not answered") {
    const auto ignored = site.feed(MaskingRefused{offer.key, error});
    CHECK(sent<wire::SessionFailed>(ignored).empty());
    CHECK_THAT(notes(ignored), Catch::Contains("ignored a masking message"));
  }
}

TEST_CASE("a masked session's failures tell their kind alone") {
  Site site = accepted_site();
  const auto offer = session_offer(SumKind::kTrain, 1);
  SECTION("of a step") {
    site.receive(offer);
    site.feed(Fetched{offer.key});
    const auto code = GENERATE(ErrorCode::kInvalidArgument, ErrorCode::kResourceExhausted, ErrorCode::kNotFound);
    const auto effects = site.feed(StepFailed{offer.key, {code, "loss is NaN at patient 17"}});
    REQUIRE(sent<wire::SessionFailed>(effects).size() == 1);
    CHECK(sent<wire::SessionFailed>(effects)[0].code == ErrorCode::kInternal);
    CHECK(sent<wire::SessionFailed>(effects)[0].reason.empty());
    CHECK(only<EndMasking>(effects).size() == 1);
    CHECK_THAT(notes(effects), Catch::Contains("loss is NaN at patient 17"));
  }
  SECTION("of an order that isn't the job's") {
    auto lying = offer;
    auto order = job::decode_round_order(lying.order).value();
    order.local_epochs = 9;
    lying.order = job::encode(order);
    const auto effects = site.receive(lying);
    REQUIRE(sent<wire::SessionFailed>(effects).size() == 1);
    CHECK(sent<wire::SessionFailed>(effects)[0].code == ErrorCode::kPermissionDenied);
    CHECK(sent<wire::SessionFailed>(effects)[0].reason.empty());
    CHECK(only<BeginMasking>(effects).empty());
    CHECK_THAT(notes(effects), Catch::Contains("round order"));
  }
}

TEST_CASE("partial work that is dropped ends the masks") {
  Site site = accepted_site();
  const auto offer = session_offer(SumKind::kTrain, 1);
  site.receive(offer);
  site.feed(Fetched{offer.key});
  const auto effects = site.feed(Worked{offer.key, false});
  CHECK(sent<wire::SessionPartial>(effects).size() == 1);
  CHECK(only<EndMasking>(effects).size() == 1);
}

TEST_CASE("a closed session's masks go, wherever it stands") {
  Uploading run;
  SECTION("uploading") {}
  SECTION("sent") { run.site.feed(Uploaded{run.key}); }
  SECTION("confirmed") {
    run.site.feed(Uploaded{run.key});
    run.site.feed(Confirmed{run.key});
  }
  const auto effects = run.site.receive(wire::SessionClosed{run.key, "the session is started again"});
  CHECK(only<EndMasking>(effects).size() == 1);
  CHECK(run.site.state().confirming.empty());
  CHECK_FALSE(run.site.state().active.has_value());
  CHECK(run.site.receive(wire::SessionClosed{run.key, "again"}).empty());
  CHECK(only<BeginMasking>(run.site.receive(session_offer(SumKind::kTrain, 1, 2))).size() == 1);
}

TEST_CASE("an ended job is forgotten, with all that its sessions had open") {
  Uploading run;
  run.site.feed(Uploaded{run.key});
  run.site.feed(Confirmed{run.key});
  const auto effects = run.site.receive(wire::JobEnded{"tiny-1", "finished"});
  REQUIRE(only<ForgetJob>(effects).size() == 1);
  CHECK(only<ForgetJob>(effects)[0].job_id == "tiny-1");
  CHECK(run.site.state().confirming.empty());
  CHECK(run.site.state().jobs.empty());
  CHECK(run.site.receive(wire::JobEnded{"tiny-1", "finished"}).empty());
}

TEST_CASE("a masked job is declined where the site's own roster has other sites or keys, and where there is none") {
  roster::Roster roster{.consortium = "lung", .sites = job::simulated_roster(kSites)};
  std::string why;
  SECTION("no roster file") {
    roster = {};
    why = "client.yaml: roster";
  }
  SECTION("a site that it doesn't have") {
    roster.sites.erase("west");
    why = "'west' isn't in this site's roster file";
  }
  SECTION("another key of a site") {
    roster.sites["west"] = crypto::sha256("west's own");
    why = "'west'";
  }
  Site site(roster);
  const auto effects = site.receive(approval::signing().offer("tiny-1", spec()));
  CHECK(sent<wire::JobAnswer>(effects).at(0) == wire::JobAnswer{"tiny-1", wire::JobConsent::kDeclined, "roster"});
  CHECK_THAT(notes(effects), Catch::Contains(why));
}

TEST_CASE("a job without masks is declined by a policy that doesn't allow it: there is no fallback") {
  Site site;
  job::JobSpec plain = spec();
  plain.federation.roster.clear();
  plain.federation.minimum_sites = 2;
  plain.privacy.secure_aggregation = job::SecureAggregation::kOff;
  plain.privacy.colluding_sites.reset();
  plain.strategy.weighting = job::Weighting::kCohort;
  const wire::JobAnswer answer = site.offer(plain);
  CHECK(answer == wire::JobAnswer{"tiny-1", wire::JobConsent::kDeclined, "allow_unmasked"});
}

TEST_CASE("a site takes part in the sums of its own count group alone") {
  job::JobSpec grouped = spec();
  const std::vector<std::string> six{"east", "north", "south", "west", "centre", "coast"};
  grouped.federation.sites = six;
  std::ranges::sort(grouped.federation.sites);
  grouped.federation.roster = job::simulated_roster(six);
  grouped.federation.count_groups = {{"centre", "coast", "east"}, {"north", "south", "west"}};
  grouped.privacy.colluding_sites = 1;
  grouped.federation.minimum_sites = 3;
  Site site(roster::Roster{.consortium = "lung", .sites = job::simulated_roster(six)});
  site.approve(grouped);
  REQUIRE(site.offer(grouped).consent == wire::JobConsent::kAccepted);
  const auto census_of = [&](std::uint32_t group) {
    const job::SessionKey key{"tiny-1", SumKind::kCensus, 0, group + 1};
    return wire::SessionOffer{key, job::encode(job::expected_order(grouped, key, 0, {}, group).value()), 0};
  };
  CHECK(sent<wire::SessionFailed>(site.receive(census_of(0))).size() == 1);
  CHECK(only<BeginMasking>(site.receive(census_of(1))).size() == 1);
}
