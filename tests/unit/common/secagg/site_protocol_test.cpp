#include "common/secagg/site_protocol.h"

#include "common/secagg/transcript.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/refusal.h"

namespace consilium::secagg {
namespace {

const QuickConsortium kSiteFive(5);

/// Brings site 0 into each of its states, by number.
void bring_into(ConsortiumBench& bench, int state) {
  if (state >= 1) bench.share();
  if (state == 2) REQUIRE(bench.deliver(0, bench.next<Boxes>(0)));
  if (state >= 3) bench.upload();
  if (state >= 4) bench.confirm();
  if (state >= 5) bench.unmask();
}

constexpr std::string_view kStates[] = {"keys are advertised", "shares are sent",         "masks are agreed on",
                                        "masks are agreed on", "survivors are confirmed", "shares are revealed"};
/// The message that each state expects, by its index in CoordinatorMessage; 4 is none.
constexpr std::size_t kExpected[] = {0, 1, 2, 2, 3, 4};

}  // namespace

TEST_CASE("every message in every state where it doesn't belong is refused, and ends the attempt for the site") {
  ConsortiumBench reference(kSiteFive, {});
  std::vector<CoordinatorMessage> messages;
  reference.advertise();
  messages.emplace_back(reference.next<AdvertList>(0));
  REQUIRE(reference.deliver(0, messages.back()));
  for (std::size_t i = 1; i < 5; ++i) reference.send(i, *reference.deliver(i, reference.next<AdvertList>(i)).value());
  messages.emplace_back(Boxes{{{1, {}}, {2, {}}, {3, {}}, {4, {}}}});
  messages.emplace_back(Survivors{{0, 1, 2, 3, 4}});
  messages.emplace_back(UnmaskRequest{{{0, Signature(32)}, {1, Signature(32)}}});
  for (int state = 0; state < 6; ++state) {
    for (const CoordinatorMessage& message : messages) {
      if (message.index() == kExpected[state]) continue;
      ConsortiumBench bench(kSiteFive, {});
      bench.advertise();
      bring_into(bench, state);
      CHECK(refusal(bench, 0, message) ==
            "unexpected " + std::string(name_of(message)) + " while " + std::string(kStates[state]));
    }
  }
}

TEST_CASE("a message that was answered is refused when it comes again") {
  ConsortiumBench bench(kSiteFive, {});
  bench.advertise();
  const auto list = bench.next<AdvertList>(1);
  REQUIRE(bench.deliver(1, list));
  CHECK(refusal(bench, 1, list) == "unexpected advert list while shares are sent");

  ConsortiumBench other(kSiteFive, {});
  other.run_until(Drop::kUnmask);
  const auto request = other.next<UnmaskRequest>(1);
  REQUIRE(other.deliver(1, request));
  CHECK(refusal(other, 1, request) == "unexpected unmask request while shares are revealed");
}

TEST_CASE("masks are handed out once, and only while they are agreed on") {
  ConsortiumBench bench(kSiteFive, {});
  CHECK_FALSE(bench.site(0).keyed());
  CHECK_FALSE(bench.site(0).take_masks());
  bench.advertise();
  bench.share();
  CHECK_FALSE(bench.site(0).take_masks());
  REQUIRE(bench.deliver(0, bench.next<Boxes>(0)));
  CHECK(bench.site(0).keyed());
  const auto masks = bench.site(0).take_masks();
  REQUIRE(masks);
  CHECK(masks->size() == 5);  // one of each other site, and its own
  CHECK_FALSE(bench.site(0).keyed());
  CHECK_FALSE(bench.site(0).take_masks());
}

TEST_CASE("of each site one share is revealed, never both: the seed's of a survivor, the mask key's of a dropout") {
  ConsortiumBench bench(kSiteFive, {});
  bench.advertise();
  bench.share();
  bench.upload({2});
  bench.confirm();
  bench.unmask();
  REQUIRE(bench.coordinator().phase() == Phase::kUnmasked);
  std::map<std::size_t, Shares> shares;
  AdvertList list;
  for (std::size_t i = 0; i < 5; ++i) list.adverts.push_back(bench.site(i).advert());
  const crypto::Digest cohort = cohort_context(BenchSetup{}.context, list);
  std::size_t reveals = 0;
  for (const auto& [site, message] : bench.sent()) {
    if (const auto* shared = std::get_if<Shares>(&message)) shares[site] = *shared;
    const auto* reveal = std::get_if<Reveal>(&message);
    if (reveal == nullptr) continue;
    ++reveals;
    REQUIRE(reveal->shares.size() == 5);
    const auto holder = static_cast<Rank>(site);
    for (Rank of = 0; of < 5; ++of) {
      const auto computed = [&](ShareOf what) {
        return share_commitment(cohort, what, of, holder, reveal->shares[of]);
      };
      CHECK((computed(ShareOf::kSeed) == shares[of].commitments[holder].seed_share) == (of != 2));
      CHECK((computed(ShareOf::kMaskKey) == shares[of].commitments[holder].key_share) == (of == 2));
    }
  }
  CHECK(reveals == 4);
}

TEST_CASE("a list of survivors is told by name, and ranks that nobody has are left out") {
  ConsortiumBench bench(kSiteFive, {});
  bench.run_until(Drop::kConfirm);
  CHECK(bench.site(0).names_of(Survivors{{1, 3, 77}}) == std::vector<std::string>{"site-001", "site-003"});
}

TEST_CASE("two attempts of one site share no key") {
  const QuickConsortium consortium(3);
  BenchSetup second;
  second.seed = 2;
  ConsortiumBench one(consortium, {});
  ConsortiumBench other(consortium, second);
  CHECK(one.site(0).advert().channel_key != other.site(0).advert().channel_key);
  CHECK(one.site(0).advert().mask_key != other.site(0).advert().mask_key);
  CHECK(one.site(0).advert().mask_key != one.site(0).advert().channel_key);
}

}  // namespace consilium::secagg
