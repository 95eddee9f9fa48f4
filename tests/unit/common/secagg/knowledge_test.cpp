#include <algorithm>

#include "common/encoding/vector_layout.h"
#include "common/job/cohort_rules.h"
#include "common/parameters/parameter_manifest.h"
#include "common/secagg/transcript.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/consortium_bench.h"
#include "tests/unit/common/secagg/span.h"

/// What the coordinator can compute together with c colluding sites, in 30 rounds with changing cohorts, dropouts at
/// every step and repeated attempts.
///
/// Each word of what it receives is a linear form, modulo 2^32, in unknowns: each site's word x, and, fresh in each
/// attempt, the self-mask of each site and the mask of each pair. It knows every upload, even late ones; each mask
/// whose key it can rebuild, from the shares that the sites really revealed and those that colluders hold; and
/// everything that colluders know. From this it can compute exactly the forms in the span of these. The test shows for
/// each round:
///
/// - no honest site's x is in the span, nor is any multiple of it: not modulo a prime near 2^31, and not modulo 2,
///   where the rank is the same (so nothing follows modulo 2^32 that doesn't follow modulo 2);
/// - of all honest sites' x together the span has at most one form: the sum over the honest survivors;
/// - counts: the counts of fixed groups don't determine n_i, however many sessions there are. The sums of n over the
///   survivors of each round would determine it for every site, which is why masked jobs weigh by population.
///
/// Rounds have no unknown in common, so what holds for each holds for all. The test assumes that masks of unknown key
/// are uniform (AES-256-CTR, HKDF, X25519), that fewer than t shares reveal nothing (Shamir), and that an upload is
/// what the protocol says (sum_test.cpp shows bit identity). It doesn't show that a sum reveals nothing about its
/// parts, because that isn't true: docs/threat-model.md describes what near-equal updates of successive rounds, or a
/// crafted model, reveal.
namespace consilium::secagg {
namespace {

constexpr std::size_t kSites = 9;
constexpr std::uint32_t kColluding = 2;
const std::set<std::size_t> kColluders{0, 1};
constexpr std::uint64_t kLargePrime = 2147483647;

bool colludes(std::size_t site) { return kColluders.contains(site); }

/// The unknowns of one round: x of each site, then for each attempt the self-masks and the pairs' masks.
class Unknowns {
 public:
  static constexpr std::size_t kMasks = kSites + kSites * kSites;
  explicit Unknowns(std::size_t attempts) : count_(kSites + attempts * kMasks) {}

  [[nodiscard]] Form none() const { return Form(count_); }
  [[nodiscard]] Form x(std::size_t site) const { return single(site); }
  [[nodiscard]] Form self_mask(std::size_t attempt, std::size_t site) const {
    return single(kSites + attempt * kMasks + site);
  }
  [[nodiscard]] std::size_t pair(std::size_t attempt, std::size_t a, std::size_t b) const {
    return kSites + attempt * kMasks + kSites + std::min(a, b) * kSites + std::max(a, b);
  }
  [[nodiscard]] Form pair_mask(std::size_t attempt, std::size_t a, std::size_t b) const {
    return single(pair(attempt, a, b));
  }

 private:
  [[nodiscard]] Form single(std::size_t at) const {
    Form form(count_);
    form[at] = 1;
    return form;
  }
  std::size_t count_;
};

/// What the coordinator has after one attempt.
struct Attempt {
  std::set<std::size_t> sharers;    ///< U2
  std::set<std::size_t> uploaded;   ///< sites whose vector it has, in time or late
  std::set<std::size_t> survivors;  ///< U3, if one was listed
  std::size_t needed = 0;
  std::map<std::size_t, std::set<std::size_t>> seeds, keys;  ///< the sites whose share honest sites revealed
  bool unmasked = false;
};

/// Sorts the revealed shares by the commitments that they fit.
void note_reveals(const ConsortiumBench& bench, const std::vector<std::size_t>& members, const crypto::Digest& cohort,
                  Attempt& attempt) {
  std::map<std::size_t, Shares> shares;
  for (const auto& [site, message] : bench.sent()) {
    if (const auto* shared = std::get_if<Shares>(&message)) shares[site] = *shared;
    const auto* reveal = std::get_if<Reveal>(&message);
    if (reveal == nullptr) continue;
    const auto holder = static_cast<Rank>(std::ranges::find(members, site) - members.begin());
    std::size_t at = 0;
    for (const std::size_t of : attempt.sharers) {
      const auto rank = static_cast<Rank>(std::ranges::find(members, of) - members.begin());
      const auto fits = [&](ShareOf what, const crypto::Digest& commitment) {
        return share_commitment(cohort, what, rank, holder, reveal->shares[at]) == commitment;
      };
      if (fits(ShareOf::kSeed, shares[of].commitments[holder].seed_share)) attempt.seeds[of].insert(site);
      if (fits(ShareOf::kMaskKey, shares[of].commitments[holder].key_share)) attempt.keys[of].insert(site);
      ++at;
    }
  }
}

/// Returns the sites of `from` that random draws leave out, each with a probability of `percent`.
std::set<std::size_t> some(SeededRandom& random, const std::set<std::size_t>& from, std::size_t percent) {
  std::set<std::size_t> chosen;
  for (const std::size_t site : from) {
    if (random.below(100) < percent) chosen.insert(site);
  }
  return chosen;
}

Attempt run_attempt(const QuickConsortium& consortium, SeededRandom& random, const std::set<std::size_t>& absent) {
  BenchSetup setup;
  setup.colluding = kColluding;
  setup.seed = random.number();
  setup.words = 1;
  ConsortiumBench bench(consortium, setup);
  std::set<std::size_t> everybody;
  for (std::size_t i = 0; i < kSites; ++i) everybody.insert(i);
  Attempt attempt;
  bench.advertise(absent);
  if (bench.coordinator().phase() == Phase::kFailed) return attempt;
  std::vector<std::size_t> members;
  std::ranges::set_difference(everybody, absent, std::back_inserter(members));
  AdvertList list;
  for (const std::size_t member : members) list.adverts.push_back(bench.site(member).advert());
  attempt.needed = bench.coordinator().threshold();

  const auto never_shared = some(random, {members.begin(), members.end()}, 8);
  bench.share(never_shared);
  if (bench.coordinator().phase() == Phase::kFailed) return attempt;
  std::ranges::set_difference(members, never_shared, std::inserter(attempt.sharers, attempt.sharers.end()));
  const auto gone = some(random, attempt.sharers, 15);
  for (const std::size_t site : some(random, gone, 60)) {  // too late, or so the coordinator claims; it has them
    REQUIRE(bench.deliver(site, bench.next<Boxes>(site)));
    bench.mask_vector(site);
    attempt.uploaded.insert(site);
  }
  bench.upload(gone);
  for (const auto& [site, vector] : bench.uploads()) attempt.uploaded.insert(site);
  for (const std::size_t site : attempt.sharers) {
    const auto survivors = bench.coordinator().survivors();
    if (std::ranges::count(survivors, Consortium::name(site)) > 0) attempt.survivors.insert(site);
  }
  bench.confirm(some(random, attempt.survivors, 8));
  bench.unmask(some(random, attempt.survivors, 8));
  attempt.unmasked = bench.coordinator().phase() == Phase::kUnmasked;
  note_reveals(bench, members, cohort_context(setup.context, list), attempt);
  return attempt;
}

/// Passes each form that the coordinator and the colluders know after an attempt to `learn`.
template <class Learn>
void learn_from(const Attempt& attempt, std::size_t number, const Unknowns& unknowns, const Learn& learn) {
  const auto rebuilt = [&](const std::map<std::size_t, std::set<std::size_t>>& revealed, std::size_t of) {
    std::set<std::size_t> holders;
    if (const auto found = revealed.find(of); found != revealed.end()) holders = found->second;
    std::ranges::set_intersection(kColluders, attempt.sharers, std::inserter(holders, holders.end()));
    return holders.size() >= attempt.needed;
  };
  for (const std::size_t site : attempt.uploaded) {
    Form form = unknowns.x(site);
    const Form own = unknowns.self_mask(number, site);
    std::ranges::transform(form, own, form.begin(), std::plus<>());
    for (const std::size_t other : attempt.sharers) {
      if (other != site) form[unknowns.pair(number, site, other)] += site < other ? 1 : -1;
    }
    learn(form);
  }
  for (const std::size_t site : attempt.sharers) {
    if (colludes(site) || rebuilt(attempt.seeds, site)) learn(unknowns.self_mask(number, site));
    if (!colludes(site) && !rebuilt(attempt.keys, site)) continue;
    for (const std::size_t other : attempt.sharers) {
      if (other != site) learn(unknowns.pair_mask(number, site, other));
    }
  }
}

/// The knowledge after a round, by two moduli; and that of the masks alone.
struct Knowledge {
  Span large{kLargePrime}, binary{2};
  Span masks_large{kLargePrime};

  void learn(Form form) {
    large.add(form);
    binary.add(form);
    std::fill_n(form.begin(), kSites, 0);
    masks_large.add(form);
  }
  /// Returns the number of independent forms in x alone.
  [[nodiscard]] std::size_t about_x() const { return large.rank() - masks_large.rank(); }
};

Knowledge after(const std::vector<Attempt>& attempts, const Unknowns& unknowns) {
  Knowledge knowledge;
  for (const std::size_t site : kColluders) knowledge.learn(unknowns.x(site));
  for (std::size_t i = 0; i < attempts.size(); ++i)
    learn_from(attempts[i], i, unknowns, [&knowledge](const Form& form) { knowledge.learn(form); });
  return knowledge;
}

Form indicator(const std::set<std::size_t>& sites, Form form) {
  for (const std::size_t site : sites) form[site] = 1;
  return form;
}

struct Round {
  std::vector<Attempt> attempts;
  Unknowns unknowns{1};
};

/// Runs 30 rounds as an honest coordinator does. An attempt that fails before a list of survivors is repeated with
/// fresh keys and the same updates. A confirmed list is the round's last.
std::vector<Round> run_rounds() {
  const QuickConsortium consortium(kSites);
  SeededRandom random(30);
  std::set<std::size_t> everybody;
  for (std::size_t i = 0; i < kSites; ++i) everybody.insert(i);
  std::vector<Round> rounds(30);
  for (Round& round : rounds) {
    do {
      round.attempts.push_back(run_attempt(consortium, random, some(random, everybody, 20)));
    } while (round.attempts.back().survivors.empty() && round.attempts.size() < 3);
    round.unknowns = Unknowns(round.attempts.size());
  }
  return rounds;
}

}  // namespace

TEST_CASE("what the coordinator sees in 30 rounds gives no honest site's update, and no more than their sum") {
  std::size_t unmasked = 0, retried = 0, late = 0, dropped = 0;
  for (const Round& round : run_rounds()) {
    const Attempt& last = round.attempts.back();
    const Knowledge knowledge = after(round.attempts, round.unknowns);
    for (std::size_t site = 0; site < kSites; ++site) {
      CHECK(knowledge.large.contains(round.unknowns.x(site)) == colludes(site));
      CHECK(knowledge.binary.contains(round.unknowns.x(site)) == colludes(site));
    }
    CHECK(knowledge.binary.rank() == knowledge.large.rank());
    CHECK(knowledge.about_x() <= kColluders.size() + 1);
    if (last.unmasked) {
      CHECK(knowledge.about_x() == kColluders.size() + 1);
      CHECK(knowledge.large.contains(indicator(last.survivors, round.unknowns.none())));
      std::vector<std::size_t> honest;
      std::ranges::set_difference(last.survivors, kColluders, std::back_inserter(honest));
      CHECK(honest.size() >= 2);
    }
    unmasked += last.unmasked ? 1 : 0;
    retried += round.attempts.size() > 1 ? 1 : 0;
    for (const Attempt& attempt : round.attempts) {
      late += attempt.uploaded.size() > attempt.survivors.size() && !attempt.survivors.empty() ? 1 : 0;
      dropped += attempt.sharers.size() > attempt.survivors.size() ? 1 : 0;
    }
  }
  // Checks that the rounds are interesting.
  CHECK(unmasked >= 10);
  CHECK(retried >= 3);
  CHECK(late >= 3);
  CHECK(dropped >= 10);
}

TEST_CASE("the same algebra finds an update where a rule is broken: both shares, or a second list") {
  const QuickConsortium consortium(kSites);
  SeededRandom random(1);
  Attempt attempt;
  do attempt = run_attempt(consortium, random, {});
  while (!attempt.unmasked || attempt.survivors.size() == attempt.sharers.size() || attempt.survivors.contains(8));
  const Unknowns unknowns(1);
  const Knowledge honest = after({attempt}, unknowns);
  for (std::size_t site = 2; site < kSites; ++site) CHECK_FALSE(honest.large.contains(unknowns.x(site)));

  Attempt both = attempt;  // also the key's shares of a survivor
  const std::size_t victim = *both.survivors.rbegin();
  both.keys[victim] = both.seeds[victim];
  CHECK(after({both}, unknowns).large.contains(unknowns.x(victim)));

  Knowledge second = honest;  // the sum without one site, of the same updates
  std::set<std::size_t> without = attempt.survivors;
  without.erase(victim);
  second.learn(indicator(without, unknowns.none()));
  CHECK(second.large.contains(unknowns.x(victim)));
}

TEST_CASE("counts over fixed groups determine no site's; sums over each round's survivors would, of all of them") {
  // A masked round sums no counts, only updates, which change each time.
  const auto manifest = ParameterManifest::create({{"w", {3}, TensorRole::kTrainable}});
  REQUIRE(manifest);
  CHECK(encoding::train_layout(*manifest, 16.0, 1024.0, {.examples = false})->find(encoding::kExamples) == nullptr);
  CHECK(encoding::train_layout(*manifest, 16.0, 1024.0, {.examples = true})->find(encoding::kExamples) != nullptr);

  const QuickConsortium consortium(kSites);
  Span counts(kLargePrime);
  Span binary(2);
  Span weights(kLargePrime);
  const auto n = [](std::size_t site) { return indicator({site}, Form(kSites)); };
  for (const std::size_t site : kColluders) {
    counts.add(n(site));
    binary.add(n(site));
  }
  SeededRandom random(2);
  std::size_t summed = 0, refused = 0;
  for (int session = 0; session < 30; ++session) {  // one group: all members
    BenchSetup setup;
    setup.colluding = kColluding;
    setup.seed = random.number();
    setup.adjust = [&](std::size_t, SiteSetup& mine) { mine.exactly = consortium.names(); };
    ConsortiumBench bench(consortium, setup);
    bench.advertise();
    bench.share();
    const std::set<std::size_t> gone = session % 3 == 0 ? std::set{random.below(kSites)} : std::set<std::size_t>{};
    bench.upload(gone);
    bench.confirm();
    bench.unmask();
    std::set<std::size_t> survivors;
    for (std::size_t site = 0; site < kSites; ++site) {
      if (!gone.contains(site)) survivors.insert(site);
    }
    if (bench.coordinator().phase() == Phase::kUnmasked) {
      counts.add(indicator(survivors, Form(kSites)));
      binary.add(indicator(survivors, Form(kSites)));
      ++summed;
    } else {
      CHECK(bench.sent_of_kind(2) == 0);  // nobody confirmed
      ++refused;
    }
  }
  CHECK(summed == 20);
  CHECK(refused == 10);
  CHECK(counts.rank() == kColluders.size() + 1);
  for (std::size_t site = kColluders.size(); site < kSites; ++site) {
    CHECK_FALSE(counts.contains(n(site)));
    CHECK_FALSE(binary.contains(n(site)));
  }
  for (const Round& round : run_rounds()) weights.add(indicator(round.attempts.back().survivors, Form(kSites)));
  for (std::size_t site = 0; site < kSites; ++site) CHECK(weights.contains(n(site)));
}

}  // namespace consilium::secagg
