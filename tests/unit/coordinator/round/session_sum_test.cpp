#include "coordinator/round/session_sum.h"

#include <algorithm>
#include <deque>

#include "common/encoding/fixed_point.h"
#include "common/secagg/site_protocol.h"
#include "common/secagg/transcript.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/consortium.h"
#include "tests/unit/coordinator/round/driver_bench.h"

using namespace consilium;
using namespace consilium::round;
using job::SumKind;
using Words = std::vector<std::uint32_t>;

namespace {

constexpr std::size_t kSites = 6;

job::SessionKey key_of(SumKind kind) { return {"tiny-1", kind, kind == SumKind::kCensus ? 0U : 1U, 1}; }

/// Two groups of three for counts; one of all for training.
class Session {
 public:
  explicit Session(SumKind kind, bool masked = true) : consortium(kSites) {
    spec.federation.sites = consortium.names();
    for (const auto& site : spec.federation.sites) spec.federation.roster[site] = crypto::sha256(site);
    spec.privacy.secure_aggregation = job::SecureAggregation::kRequired;
    spec.privacy.colluding_sites = 1;
    spec.federation.count_groups = {names(0, 3), names(3, 6)};
    std::vector<SessionSum::Group> groups;
    if (kind == SumKind::kTrain) {
      groups.push_back({order(kind, 0), consortium.names()});
    } else {
      groups = {{order(kind, 0), names(0, 3)}, {order(kind, 1), names(3, 6)}};
    }
    const auto authenticator =
        std::shared_ptr<const secagg::Authenticator>(std::shared_ptr<void>(), &consortium.authenticator());
    std::optional<SessionSum::Masks> masks;
    if (masked) masks = SessionSum::Masks{1, authenticator};
    sum.emplace(SessionSum::create(key_of(kind), groups, task::make_task({}, kClasses).value(), false, masks).value());
    for (std::size_t i = 0; i < kSites; ++i) sites.push_back(site_of(i, kind));
  }

  [[nodiscard]] std::vector<std::string> names(std::size_t from, std::size_t to) const {
    const auto all = consortium.names();
    return {all.begin() + static_cast<std::ptrdiff_t>(from), all.begin() + static_cast<std::ptrdiff_t>(to)};
  }
  [[nodiscard]] job::RoundOrder order(SumKind kind, std::uint32_t group) const {
    const bool census = kind == SumKind::kCensus;
    return job::expected_order(spec, key_of(kind), census ? 0 : 100, census ? crypto::Digest{} : crypto::sha256("m"),
                               group)
        .value();
  }

  /// Delivers messages and answers until nobody sends anything. A site that is `gone` receives nothing.
  void exchange(secagg::Output output) {
    std::deque<secagg::Output::Addressed> waiting;
    const auto take = [&](secagg::Output from) {
      waiting.insert(waiting.end(), from.messages.begin(), from.messages.end());
      for (const auto& lost : from.lost) this->lost.push_back(lost.site);
    };
    take(std::move(output));
    while (!waiting.empty()) {
      const auto [name, message] = waiting.front();
      waiting.pop_front();
      const std::size_t i = number(name);
      if (gone.contains(i)) continue;
      const auto answer = sites[i].receive(message);
      INFO((answer ? std::string() : answer.error().message));
      REQUIRE(answer.has_value());
      if (*answer) take(sum->receive(name, **answer));
    }
  }
  void agree_on_keys() {
    for (std::size_t i = 0; i < kSites; ++i) {
      if (!gone.contains(i)) exchange(sum->receive(consortium.name(i), secagg::SiteMessage(sites[i].advert())));
    }
  }
  /// Returns a vector of the site: all words are its number + 1, which in counts are limbs of small numbers.
  Result<std::optional<std::uint64_t>> send(std::size_t i) {
    Words words(sum->word_count(), static_cast<std::uint32_t>(i + 1));
    if (sites[i].keyed()) {
      const auto masks = sites[i].take_masks().value();
      REQUIRE(secagg::add_masks(masks, 0, words, 1).has_value());
    }
    aggregation::MemoryWords source(words);
    return sum->take(consortium.name(i), source);
  }
  void send_all() {
    for (std::size_t i = 0; i < kSites; ++i) {
      if (!gone.contains(i)) REQUIRE(send(i).has_value());
    }
  }
  [[nodiscard]] bool all_words_are(std::uint32_t expected) {
    const auto words = sum->sum().words();
    return std::ranges::all_of(words, [&](std::uint32_t word) { return word == expected; });
  }

  job::JobSpec spec = some_job();
  secagg::QuickConsortium consortium;
  std::optional<SessionSum> sum;
  std::vector<secagg::SiteProtocol> sites;
  std::set<std::size_t> gone;
  std::vector<std::string> lost;

 private:
  [[nodiscard]] std::size_t number(const std::string& name) const {
    const auto all = consortium.names();
    return static_cast<std::size_t>(std::ranges::find(all, name) - all.begin());
  }
  secagg::SiteProtocol site_of(std::size_t i, SumKind kind) {
    secagg::SiteSetup setup;
    const std::uint32_t group = kind == SumKind::kTrain ? 0 : static_cast<std::uint32_t>(i / 3);
    setup.context = secagg::attempt_context(order(kind, group));
    setup.site = consortium.name(i);
    setup.certificate = consortium.certificate(i);
    setup.eligible = consortium.names();
    return secagg::SiteProtocol::start(setup, consortium.authenticator(), consortium.signer(i), random_).value();
  }

  secagg::SeededRandom random_{5};
};

}  // namespace

TEST_CASE("groups are summed apart, each under masks of its own, and joined when the masks are off") {
  Session session(SumKind::kEvaluate);
  CHECK(session.sum->key_phase() == 1);
  session.agree_on_keys();
  CHECK(session.sum->key_phase() == 0);
  session.send_all();
  CHECK_FALSE(session.all_words_are(1 + 2 + 3));  // the masks are still in place
  CHECK_FALSE(session.sum->unmaskable());
  session.exchange(session.sum->close_uploads());
  REQUIRE(session.sum->unmaskable());
  CHECK(session.sum->unmask(1).value().empty());
  CHECK(session.all_words_are(1 + 2 + 3 + 4 + 5 + 6));
  CHECK(session.sum->sum().contributors() == kSites);
}

TEST_CASE("a group that loses a site before its vector is there gives no counts; the others' are there") {
  Session session(SumKind::kEvaluate);
  session.agree_on_keys();
  session.gone = {4};
  session.send_all();
  const bool heard_of = GENERATE(true, false);
  if (heard_of) session.exchange(session.sum->lose("site-004"));
  if (heard_of) CHECK(session.sum->stranded().size() == 3);
  session.exchange(session.sum->close_uploads());
  CHECK_FALSE(session.sum->spoiled().has_value());
  REQUIRE(session.sum->unmaskable());
  const auto left_out = session.sum->unmask(1).value();
  CHECK(left_out.size() == 3);
  CHECK_THAT(left_out.at("site-003"), Catch::Contains("site-004 is missing"));
  CHECK(session.all_words_are(1 + 2 + 3));
  CHECK(session.sum->sum().contributors() == 3);
}

TEST_CASE("where every group came to nothing, the sum says why and can't be unmasked") {
  Session session(SumKind::kEvaluate);
  session.agree_on_keys();
  session.gone = {0, 4};
  session.send_all();
  session.exchange(session.sum->close_uploads());
  REQUIRE(session.sum->spoiled().has_value());
  CHECK_THAT(*session.sum->spoiled(), Catch::Contains("site-000 is missing"));
  CHECK_FALSE(session.sum->unmask(1).has_value());
}

TEST_CASE("survivors that never confirm or reveal fail their group alone, once time is up") {
  Session session(SumKind::kEvaluate);
  session.agree_on_keys();
  session.send_all();
  session.gone = {5};
  session.exchange(session.sum->close_uploads());
  CHECK_FALSE(session.sum->unmaskable());
  CHECK(session.sum->owed("site-005").size() == 1);
  CHECK(session.sum->owed("site-003").empty());
  CHECK(session.sum->owed("nobody").empty());
  session.exchange(session.sum->close_unmasking());
  CHECK(session.lost == std::vector<std::string>{"site-005"});
  REQUIRE(session.sum->unmaskable());
  CHECK(session.sum->unmask(1).value().size() == 3);
  CHECK(session.all_words_are(1 + 2 + 3));
}

TEST_CASE("training is one sum, of those that sent their vectors, and t of them take the masks off") {
  Session session(SumKind::kTrain);
  session.agree_on_keys();
  session.gone = {1};
  session.send_all();
  session.gone = {1, 5};  // t = (6 + 1) / 2 + 1 = 4 are left
  session.exchange(session.sum->close_uploads());
  REQUIRE(session.sum->unmaskable());
  CHECK(session.sum->unmask(2).value().empty());
  CHECK(session.all_words_are(1 + 3 + 4 + 5 + 6));
}

TEST_CASE("the time that sites may take for their keys ends with who is there") {
  Session session(SumKind::kTrain);
  session.gone = {2};
  session.agree_on_keys();
  CHECK(session.sum->key_phase() == 1);
  session.exchange(session.sum->close_key_agreement());
  CHECK(session.lost == std::vector<std::string>{"site-002"});
  CHECK(session.sum->key_phase() == 0);
  session.exchange(session.sum->close_key_agreement());  // the session waits for no further key
  CHECK(session.lost.size() == 1);
}

TEST_CASE("a vector is taken from sites of the sum alone, once their keys are there, once, and of the right size") {
  Session session(SumKind::kTrain);
  const auto refused = [](const auto& result, const std::string& why) {
    REQUIRE_FALSE(result.has_value());
    CHECK_THAT(result.error().message, Catch::Contains(why));
  };
  refused(session.sum->admits("mallory"), "mallory is in no group");
  refused(session.send(0), "may not send its vector while advertising");
  session.agree_on_keys();
  Words more(session.sum->word_count() + 1);
  aggregation::MemoryWords source(more);
  refused(session.sum->take("site-000", source), "words, expected");
  REQUIRE(session.send(0).has_value());
  refused(session.sum->admits("site-000"), "may not send its vector");
  CHECK(session.sum->intact());
}

TEST_CASE("a masking message in a session without masks costs the site its place") {
  Session session(SumKind::kEvaluate, false);
  const auto output = session.sum->receive("site-000", secagg::SiteMessage(session.sites[0].advert()));
  REQUIRE(output.lost.size() == 1);
  CHECK(output.lost[0].site == "site-000");
}

TEST_CASE("without masks, as in a simulation, the joined sum is the same") {
  Session session(SumKind::kEvaluate, false);
  CHECK(session.sum->key_phase() == 0);
  session.send_all();
  CHECK(session.sum->unmask(1).value().empty());
  CHECK(session.all_words_are(1 + 2 + 3 + 4 + 5 + 6));
}
