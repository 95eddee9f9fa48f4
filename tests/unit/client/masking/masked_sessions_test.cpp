// Whole attempts of four hospitals, each with its own sessions and ledger, against the coordinator's side.
#include "client/masking/masked_sessions.h"

#include <deque>

#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/secagg/coordinator_protocol.h"
#include "common/secagg/transcript.h"
#include "tests/unit/client/masking/ledger_fixtures.h"
#include "tests/unit/common/secagg/certified_consortium.h"

namespace consilium::masking {
namespace {

using job::SumKind;
using secagg::Phase;

constexpr std::size_t kSites = 4;

job::JobSpec masked_job(const job::Roster& roster) {
  const auto job = job::parse_job(
      "{name: chest, model: {layers: [{linear: 2}], input: [3], classes: 2}, data: {dataset: chest}, "
      "training: {optimizer: {name: sgd, learning_rate: 0.1}}, federation: {rounds: 9}}",
      "job.yaml");
  return job::with_roster(job.value(), roster).value();
}

class Hospitals {
 public:
  explicit Hospitals(bool allow_changed = false) : job(masked_job(consortium.roster())), allow_changed_(allow_changed) {
    for (std::size_t i = 0; i < kSites; ++i) restart(i);
  }

  void restart(std::size_t site) {
    masked[site].reset();  // its ledger is locked until this call
    SiteTrust trust;
    trust.site = consortium.name(site);
    trust.certificate = folder_ / (trust.site + ".pem");
    std::ofstream(trust.certificate) << consortium.certificate(site);
    trust.key = consortium.key_file(site);
    trust.authorities = consortium.trust();
    trust.allow_changed_cohort = allow_changed_;
    masked[site].emplace(std::move(trust), opened(folder_ / consortium.name(site)));
  }

  secagg::CertifiedConsortium consortium{kSites};
  job::JobSpec job;
  std::array<std::optional<MaskedSessions>, kSites> masked;

 private:
  pki::TemporaryFolder folder_;
  bool allow_changed_;
};

/// One attempt at a sum, with the sites that the coordinator asks.
class Attempt {
 public:
  Attempt(Hospitals& hospitals, job::SessionKey session, std::vector<std::size_t> asked = {0, 1, 2, 3})
      : key(std::move(session)),
        sites(std::move(asked)),
        hospitals_(hospitals),
        order(order_of(key)),
        coordinator(setup(), hospitals.consortium.authenticator()) {}

  Result<std::vector<std::byte>> begin(std::size_t site) {
    return hospitals_.masked[site]->begin(key, order, hospitals_.job);
  }
  void advertise() {
    for (const std::size_t site : sites) {
      const auto advert = begin(site);
      INFO((advert ? std::string() : advert.error().message));
      REQUIRE(advert.has_value());
      say(site, *advert);
    }
  }
  /// Returns the next message that the coordinator sent to a site.
  std::vector<std::byte> next(std::size_t site) {
    REQUIRE_FALSE(inbox_[site].empty());
    auto bytes = inbox_[site].front();
    inbox_[site].pop_front();
    return bytes;
  }
  Result<MaskedSessions::Answer> receive(std::size_t site, std::span<const std::byte> message) {
    return hospitals_.masked[site]->receive(key, message);
  }
  /// Makes every site answer the messages sent to it.
  void answer() {
    for (const std::size_t site : sites) {
      const auto answer = receive(site, next(site));
      INFO((answer ? std::string() : answer.error().message));
      REQUIRE(answer.has_value());
      last[site] = *answer;
      if (!answer->bytes.empty()) say(site, answer->bytes);
    }
  }
  void share() {
    advertise();
    answer();
  }
  void upload(const std::set<std::size_t>& missing = {}) {
    share();
    answer();
    for (const std::size_t site : sites) {
      if (missing.contains(site)) continue;
      REQUIRE(hospitals_.masked[site]->take_masks(key).has_value());
      coordinator.uploaded(hospitals_.consortium.name(site));
    }
    take(coordinator.close_uploads());
    std::erase_if(sites, [&](std::size_t site) { return missing.contains(site); });
  }
  void confirm(const std::set<std::size_t>& missing = {}) {
    upload(missing);
    answer();
  }
  void finish() {
    confirm();
    answer();
    REQUIRE(coordinator.phase() == Phase::kUnmasked);
  }

  job::SessionKey key;
  std::vector<std::size_t> sites;

 private:
  Hospitals& hospitals_;

 public:
  job::RoundOrder order;
  secagg::CoordinatorProtocol coordinator;
  std::map<std::size_t, MaskedSessions::Answer> last;

 private:
  [[nodiscard]] job::RoundOrder order_of(const job::SessionKey& of) const {
    const bool census = of.kind == SumKind::kCensus;
    return job::expected_order(hospitals_.job, of, census ? 0 : 100,
                               census ? crypto::Digest{} : crypto::sha256("model"))
        .value();
  }
  [[nodiscard]] secagg::CoordinatorSetup setup() const {
    secagg::CoordinatorSetup setup{secagg::attempt_context(order), {}, 1, false};
    for (const std::size_t site : sites) setup.cohort.push_back(hospitals_.consortium.name(site));
    return setup;
  }
  void say(std::size_t site, std::span<const std::byte> bytes) {
    take(coordinator.receive(hospitals_.consortium.name(site), secagg::decode_site_message(bytes).value()));
  }
  void take(secagg::Output output) {
    CHECK(output.lost.empty());
    for (const auto& [to, message] : output.messages) {
      for (std::size_t site = 0; site < kSites; ++site) {
        if (hospitals_.consortium.name(site) == to) inbox_[site].push_back(secagg::encode(message));
      }
    }
  }

  std::map<std::size_t, std::deque<std::vector<std::byte>>> inbox_;
};

job::SessionKey census(std::uint32_t attempt = 1) { return {"chest-1", SumKind::kCensus, 0, attempt}; }
job::SessionKey evaluation(std::uint32_t round) { return {"chest-1", SumKind::kEvaluate, round, 1}; }

TEST_CASE("an attempt goes from adverts to shares, and says when masks are there, survivors signed, and all revealed") {
  Hospitals hospitals;
  Attempt attempt(hospitals, train(1));
  attempt.share();
  CHECK_FALSE(attempt.last.at(0).keyed);
  attempt.answer();
  CHECK(attempt.last.at(0).keyed);
  CHECK(attempt.last.at(0).bytes.empty());
  Attempt whole(hospitals, train(2));
  whole.confirm();
  CHECK(whole.last.at(0).confirmed);
  CHECK_FALSE(whole.last.at(0).revealed);
  CHECK(hospitals.masked[0]->ledger().confirmed("chest-1", SumKind::kTrain, 2));
  CHECK_FALSE(hospitals.masked[0]->ledger().confirmed("chest-1", SumKind::kTrain, 1));
  whole.answer();
  CHECK(whole.last.at(0).revealed);
  CHECK(whole.coordinator.phase() == Phase::kUnmasked);
}

TEST_CASE("what was answered is answered alike, word for word, after a restart too, until the job goes on") {
  Hospitals hospitals;
  Attempt attempt(hospitals, train(1));
  attempt.upload();
  const auto survivors = attempt.next(0);
  const auto first = attempt.receive(0, survivors).value();
  REQUIRE_FALSE(first.bytes.empty());
  const auto again = attempt.receive(0, survivors).value();
  CHECK(again.bytes == first.bytes);
  CHECK_FALSE(again.confirmed);  // it had confirmed before
  hospitals.restart(0);
  CHECK(attempt.receive(0, survivors).value().bytes == first.bytes);
  // The process's end destroyed what it held for step 5.
  CHECK_FALSE(hospitals.masked[0]->take_masks(attempt.key).has_value());

  Attempt next(hospitals, train(2));
  next.finish();
  Attempt third(hospitals, train(3));
  REQUIRE(third.begin(1).has_value());
  check_refused(next.receive(1, survivors), ErrorCode::kFailedPrecondition, {"isn't in that session"});
}

TEST_CASE("an attempt that was begun isn't begun again, nor a lower one, whatever was forgotten meanwhile") {
  Hospitals hospitals;
  REQUIRE(Attempt(hospitals, train(1, 2)).begin(0).has_value());
  const std::uint32_t attempt = GENERATE(1U, 2U);
  const bool restarted = GENERATE(false, true);
  if (restarted) hospitals.restart(0);
  Attempt repeated(hospitals, train(1, attempt));
  check_refused(repeated.begin(0), ErrorCode::kPermissionDenied, {"attempt"});
  CHECK(Attempt(hospitals, train(1, 3)).begin(0).has_value());
}

TEST_CASE("a round that was confirmed is begun no more") {
  Hospitals hospitals;
  Attempt attempt(hospitals, train(1));
  attempt.confirm();
  hospitals.restart(2);
  check_refused(Attempt(hospitals, train(1, 2)).begin(2), ErrorCode::kPermissionDenied, {"has confirmed attempt 1"});
}

TEST_CASE("the same model is summed over other sites only where the policy says so") {
  const bool allowed = GENERATE(false, true);
  Hospitals hospitals(allowed);
  Attempt(hospitals, train(1)).finish();
  Attempt smaller(hospitals, train(1, 1, "chest-2"), {0, 1, 2});
  smaller.upload();
  const auto answer = smaller.receive(0, smaller.next(0));
  if (allowed) {
    CHECK(answer.value().confirmed);
  } else {
    check_refused(answer, ErrorCode::kPermissionDenied, {"already summed over other sites", "allow_changed_cohort"});
  }
}

TEST_CASE("the census makes the members, and an evaluation is of all of them or of nobody") {
  Hospitals hospitals;
  Attempt(hospitals, census()).finish();
  CHECK(hospitals.masked[1]->ledger().members("chest-1").value() == hospitals.consortium.names());
  Attempt(hospitals, evaluation(1)).finish();
  Attempt fewer(hospitals, evaluation(2),
                GENERATE(std::vector<std::size_t>{0, 1, 2, 3}, std::vector<std::size_t>{0, 1, 2}));
  fewer.upload(fewer.sites.size() == 4 ? std::set<std::size_t>{3} : std::set<std::size_t>{});
  check_refused(fewer.receive(0, fewer.next(0)), ErrorCode::kPermissionDenied,
                {"expected exactly the members of the group"});
}

TEST_CASE("an evaluation without a census is refused; a job that is said to have ended keeps its members") {
  Hospitals hospitals;
  check_refused(Attempt(hospitals, evaluation(1)).begin(0), ErrorCode::kFailedPrecondition, {"took part in no census"});
  Attempt(hospitals, census()).finish();
  hospitals.masked[0]->end_job("chest-1");
  CHECK(hospitals.masked[0]->ledger().members("chest-1").value() == hospitals.consortium.names());
}

TEST_CASE("the members stay when the job is over: it has no second census of one site fewer") {
  Hospitals hospitals;
  Attempt(hospitals, census()).finish();
  for (auto& masked : hospitals.masked) masked->end_job("chest-1");
  CHECK(hospitals.masked[1]->ledger().members("chest-1").value() == hospitals.consortium.names());
  Attempt fewer(hospitals, evaluation(1), {0, 1, 2});
  fewer.upload();
  check_refused(fewer.receive(0, fewer.next(0)), ErrorCode::kPermissionDenied,
                {"expected exactly the members of the group"});
}

TEST_CASE("the members outlive a restart of the client") {
  Hospitals hospitals;
  Attempt(hospitals, census()).finish();
  for (std::size_t site = 0; site < kSites; ++site) hospitals.restart(site);
  Attempt(hospitals, train(1)).finish();
  Attempt(hospitals, evaluation(1)).finish();
}

TEST_CASE("masks are there once they are agreed on, and once only") {
  Hospitals hospitals;
  Attempt attempt(hospitals, train(1));
  attempt.share();
  CHECK_FALSE(hospitals.masked[0]->take_masks(attempt.key).has_value());
  attempt.answer();
  CHECK(hospitals.masked[0]->take_masks(attempt.key).value().size() == kSites);
  CHECK_FALSE(hospitals.masked[0]->take_masks(attempt.key).has_value());
  check_refused(hospitals.masked[0]->take_masks(train(9)), ErrorCode::kFailedPrecondition,
                {"the masks no longer exist"});
}

TEST_CASE("a session that has ended answers nothing more, and leaves no vector behind") {
  Hospitals hospitals;
  Attempt attempt(hospitals, train(1));
  attempt.upload();
  const auto survivors = attempt.next(0);
  Ledger& ledger = hospitals.masked[0]->ledger();
  pki::write_text(ledger.vector_file(attempt.key), "masked words");
  REQUIRE(ledger.keep_vector(attempt.key, crypto::sha256("masked words")).has_value());
  SECTION("by itself") { hospitals.masked[0]->end(attempt.key); }
  SECTION("with its job") { hospitals.masked[0]->end_job("chest-1"); }
  check_refused(attempt.receive(0, survivors), ErrorCode::kFailedPrecondition, {"isn't in that session"});
  CHECK_FALSE(hospitals.masked[0]->take_masks(attempt.key).has_value());
  CHECK_FALSE(std::filesystem::exists(ledger.vector_file(attempt.key)));
}

TEST_CASE("a message that is refused ends the session: nothing is answered afterwards") {
  Hospitals hospitals;
  Attempt attempt(hospitals, train(1));
  attempt.upload();
  const auto survivors = attempt.next(0);
  SECTION("out of order") {
    const secagg::UnmaskRequest early{{{0, secagg::Signature(70)}}};
    check_refused(attempt.receive(0, secagg::encode(secagg::CoordinatorMessage(early))), ErrorCode::kFailedPrecondition,
                  {"unexpected"});
    check_refused(attempt.receive(0, survivors), ErrorCode::kFailedPrecondition, {"isn't in that session"});
  }
  SECTION("of another session") {
    check_refused(hospitals.masked[0]->receive(train(1, 9), survivors), ErrorCode::kFailedPrecondition,
                  {"isn't in that session"});
    CHECK(attempt.receive(0, survivors).value().confirmed);  // nobody had confirmed this list
  }
}

TEST_CASE("a key that the job's roster doesn't name takes no part, though the authority certified it") {
  Hospitals hospitals;
  hospitals.job.federation.roster["site-003"] = crypto::sha256("the key that the hospitals compared");
  Attempt attempt(hospitals, train(1));
  attempt.advertise();
  check_refused(attempt.receive(0, attempt.next(0)), ErrorCode::kUnauthenticated, {"site-003"});
}

TEST_CASE("a second list of survivors is refused, though it is of another attempt") {
  Hospitals hospitals;
  Attempt first(hospitals, train(1, 1));
  first.upload();
  Attempt second(hospitals, train(1, 2));
  second.confirm();
  check_refused(first.receive(0, first.next(0)), ErrorCode::kPermissionDenied, {"attempt"});
}

}  // namespace
}  // namespace consilium::masking
