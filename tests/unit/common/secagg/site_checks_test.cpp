#include "common/secagg/site_checks.h"

#include <algorithm>

#include "common/secagg/transcript.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/lying_site.h"
#include "tests/unit/common/secagg/refusal.h"

/// A coordinator breaks one rule, in each way. The site must name the rule, answer nothing, and have left.
/// scripts/remove_checks shows that each of these cases fails without its check.
namespace consilium::secagg {
namespace {

using Catch::StartsWith;

const QuickConsortium kFive(5);  // c = 1: t = 4
const QuickConsortium kSix(6);   // c = 1: t = 4; c = 2: t = 5

/// Signs an advert as its colluding site would.
void sign(const Consortium& consortium, std::size_t site, Advert& advert,
          const crypto::Digest& context = BenchSetup{}.context) {
  advert.signature = consortium.signer(site).sign(advert_statement(context, advert)).value();
}

/// An attempt that stops before `step`, where the test interferes.
struct Standing : ConsortiumBench {
  explicit Standing(Drop step, BenchSetup setup = {}, const Consortium& consortium = kFive)
      : ConsortiumBench(consortium, std::move(setup)) {
    run_until(step);
  }
};

/// Returns confirmations of some sites over one statement.
UnmaskRequest confirmed_by(const Consortium& consortium, const std::vector<Rank>& sites,
                           std::span<const std::byte> statement) {
  UnmaskRequest request;
  for (const Rank site : sites) request.confirmations.push_back({site, *consortium.signer(site).sign(statement)});
  return request;
}

/// Returns ctx2 of an attempt, as all sites compute it.
crypto::Digest cohort_of(ConsortiumBench& bench) {
  AdvertList list;
  for (std::size_t i = 0; i < bench.size(); ++i) list.adverts.push_back(bench.site(i).advert());
  return cohort_context(BenchSetup{}.context, list);
}

}  // namespace

TEST_CASE("a site takes part with nobody listed twice, and listed itself, unchanged") {
  Standing twice(Drop::kShare);
  auto list = twice.next<AdvertList>(0);
  list.adverts[2] = list.adverts[3];
  CHECK(refusal(twice, 0, list, Delivery::kAsValue) == "adverts: a site is listed twice");

  Standing without(Drop::kShare);
  list = without.next<AdvertList>(0);
  list.adverts.erase(list.adverts.begin());
  CHECK(refusal(without, 0, list) == "adverts: this site isn't among them");

  Standing changed(Drop::kShare);
  list = changed.next<AdvertList>(0);
  list.adverts[0].mask_key = list.adverts[0].channel_key;
  list.adverts[0].mask_key[5] ^= 1;
  sign(kFive, 0, list.adverts[0]);  // as if the site's own key had been stolen
  CHECK(refusal(changed, 0, list) == "adverts: this site's own advert was changed");

  Standing earlier(Drop::kShare);
  BenchSetup other;
  other.seed = 2;
  Standing another(Drop::kShare, other);
  list = earlier.next<AdvertList>(0);
  list.adverts[0] = another.site(0).advert();  // its own, correctly signed, of the same attempt before a restart
  CHECK(refusal(earlier, 0, list) == "adverts: this site's own advert was changed");
}

TEST_CASE("a site takes part in no cohort that colluders could see through, nor in one that its policy finds small") {
  Standing two(Drop::kShare);
  auto list = two.next<AdvertList>(0);
  list.adverts.resize(2);
  CHECK(refusal(two, 0, list) == "adverts: found 2 sites; this site takes part only with 3 or more");

  BenchSetup setup;
  setup.colluding = 2;
  Standing four(Drop::kShare, setup);  // 2c
  list = four.next<AdvertList>(0);
  list.adverts.resize(4);
  CHECK(refusal(four, 0, list) == "adverts: found 4 sites; this site takes part only with 5 or more");

  setup.colluding = 1;
  setup.adjust = [](std::size_t site, SiteSetup& mine) { mine.minimum_survivors = site == 0 ? 5 : 0; };
  Standing policy(Drop::kShare, setup);
  list = policy.next<AdvertList>(0);
  list.adverts.resize(4);
  CHECK(refusal(policy, 0, list) == "adverts: found 4 sites; this site takes part only with 5 or more");
}

TEST_CASE("where nobody is said to collude, a site doesn't start: a cohort of one would be let through") {
  SiteSetup setup;
  setup.site = Consortium::name(0);
  setup.colluding = 0;
  SeededRandom random(1);
  const auto started = SiteProtocol::start(setup, kFive.authenticator(), kFive.signer(0), random);
  REQUIRE_FALSE(started);
  CHECK(started.error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("no key is used twice: for both purposes, by two sites, or but for the bit that doesn't count") {
  const auto with_keys = [](const auto& change) {
    Standing bench(Drop::kShare);
    auto list = bench.next<AdvertList>(0);
    change(list.adverts);
    sign(kFive, 4, list.adverts[4]);
    return refusal(bench, 0, list);
  };
  CHECK(with_keys([](auto& adverts) { adverts[4].mask_key = adverts[4].channel_key; }) ==
        "adverts: a key is used twice");
  CHECK(with_keys([](auto& adverts) { adverts[4].mask_key = adverts[3].mask_key; }) == "adverts: a key is used twice");
  CHECK(with_keys([](auto& adverts) { adverts[4].channel_key = adverts[0].mask_key; }) ==
        "adverts: a key is used twice");
  CHECK(with_keys([](auto& adverts) {
          adverts[4].mask_key = adverts[3].mask_key;
          adverts[4].mask_key.back() ^= 0x80;
        }) == "adverts: a key is used twice");
}

TEST_CASE("a key of small order is refused with its owner's name, though its signature is good") {
  Standing channel(Drop::kShare);
  auto list = channel.next<AdvertList>(0);
  list.adverts[4].channel_key = {};
  sign(kFive, 4, list.adverts[4]);
  CHECK_THAT(refusal(channel, 0, list), StartsWith("channel key of site-004: "));

  // The mask key is used one step later: by then the site has sent its shares, but not its vector.
  ConsortiumBench mask(kFive, {});
  const LyingSite liar(kFive, 4, mask.random());
  for (std::size_t i = 0; i < 4; ++i) list.adverts[i] = mask.site(i).advert();
  list.adverts[4] = liar.advert(BenchSetup{}.context, {});
  Boxes boxes;
  for (Rank from = 0; from < 4; ++from) {
    const auto shares = mask.deliver(from, list);
    REQUIRE(shares);
    if (from > 0) boxes.boxes.push_back({from, std::get<Shares>(**shares).boxes[0]});
  }
  const auto secret = draw_secret(mask.random());
  boxes.boxes.push_back({4, liar.shares(BenchSetup{}.context, list, 4, secret, secret, secret).boxes[0]});
  CHECK_THAT(refusal(mask, 0, boxes), StartsWith("mask key of site-004: "));
}

TEST_CASE("a site that the job doesn't list for this sum takes no part in it") {
  BenchSetup setup;
  setup.adjust = [](std::size_t, SiteSetup& mine) { mine.eligible.pop_back(); };
  Standing bench(Drop::kShare, setup);
  CHECK(refusal(bench, 0, bench.next<AdvertList>(0)) == "adverts: the job doesn't list site-004");
}

TEST_CASE("a foreign certificate, and keys that were changed, swapped or replayed, are refused with their owner") {
  const auto with_advert = [](const auto& change) {
    Standing bench(Drop::kShare);
    auto list = bench.next<AdvertList>(0);
    change(list.adverts[3]);
    return refusal(bench, 0, list);
  };
  CHECK(with_advert([](Advert& advert) {
          advert.certificate = Consortium::name(4);
          sign(kFive, 4, advert);
        }) == "advert of site-003: a certificate of site-004");
  const std::string signed_otherwise = "advert of site-003: the signature isn't that of site-003";
  CHECK(with_advert([](Advert& advert) { advert.mask_key[0] ^= 1; }) == signed_otherwise);
  CHECK(with_advert([](Advert& advert) { std::swap(advert.mask_key, advert.channel_key); }) == signed_otherwise);
  CHECK(with_advert([](Advert& advert) { advert.signature[9] ^= std::byte{1}; }) == signed_otherwise);
  CHECK(with_advert([](Advert& advert) {  // correctly signed by its site, in another attempt
          sign(kFive, 3, advert, crypto::sha256("another attempt"));
        }) == signed_otherwise);
}

TEST_CASE("fewer boxes than the threshold, one twice, one of the site itself, one of nobody") {
  const auto with_boxes = [](const auto& change, Delivery delivery) {
    Standing bench(Drop::kUpload);
    auto boxes = bench.next<Boxes>(1);
    change(boxes.boxes);
    return refusal(bench, 1, boxes, delivery);
  };
  CHECK(with_boxes([](auto& boxes) { boxes.resize(2); }, Delivery::kAsBytes) ==
        "boxes: 3 sites shared keys, the threshold is 4");
  CHECK(with_boxes([](auto& boxes) { boxes[3] = boxes[2]; }, Delivery::kAsValue) == "boxes: found two from one site");
  CHECK(with_boxes([](auto& boxes) { boxes[0].from = 1; }, Delivery::kAsValue) ==
        "boxes: found one from this site itself");
  CHECK(with_boxes([](auto& boxes) { boxes[3].from = 9; }, Delivery::kAsBytes) == "boxes: found rank 9 among 5 sites");
}

TEST_CASE("a box that is broken, another's, from another or of another attempt doesn't open, and is named") {
  const auto with_boxes = [](const auto& change) {
    Standing bench(Drop::kUpload);
    BenchSetup again;
    again.seed = 2;
    Standing other(Drop::kUpload, again);
    auto boxes = bench.next<Boxes>(1);
    change(boxes.boxes, bench, other);
    return refusal(bench, 1, boxes);
  };
  for (const std::size_t byte : {0UL, 40UL, 63UL, 64UL, 79UL}) {
    CHECK_THAT(with_boxes([byte](auto& boxes, auto&, auto&) { boxes[1].sealed[byte] ^= 1; }),
               StartsWith("box of site-002: "));
  }
  CHECK_THAT(with_boxes([](auto& boxes, auto& bench, auto&) {  // sealed for site 0
               boxes[1].sealed = bench.template next<Boxes>(0).boxes[1].sealed;
             }),
             StartsWith("box of site-002: "));
  CHECK_THAT(with_boxes([](auto& boxes, auto&, auto&) { std::swap(boxes[1].sealed, boxes[2].sealed); }),
             StartsWith("box of site-002: "));
  CHECK_THAT(with_boxes([](auto& boxes, auto& bench, auto&) {  // what this site sealed for site 2
               boxes[1].sealed = bench.template next<Boxes>(2).boxes[1].sealed;
             }),
             StartsWith("box of site-002: "));
  CHECK_THAT(with_boxes([](auto& boxes, auto&, auto& other) {
               boxes[1].sealed = other.template next<Boxes>(1).boxes[1].sealed;
             }),
             StartsWith("box of site-002: "));
}

TEST_CASE("a list of survivors before the site's vector was sent is refused") {
  Standing bench(Drop::kUpload);
  REQUIRE(bench.deliver(0, bench.next<Boxes>(0)));
  CHECK(refusal(bench, 0, Survivors{{0, 1, 2, 3, 4}}) == "survivors: this site has sent no vector yet");
}

TEST_CASE("a list of survivors names sharers alone, the site among them, as many as the threshold") {
  const auto with_list = [](const std::vector<Rank>& list) {
    Standing bench(Drop::kShare);
    bench.share({4});  // site 4 never shares
    bench.upload();
    bench.next<Survivors>(0);
    return refusal(bench, 0, Survivors{list});
  };
  CHECK(with_list({0, 1, 2, 3, 4}) == "survivors: one of them never shared keys");
  CHECK(with_list({0, 1, 2, 3, 200}) == "survivors: one of them never shared keys");

  Standing without(Drop::kConfirm);
  CHECK(refusal(without, 0, Survivors{{1, 2, 3, 4}}) == "survivors: this site isn't among them");
  Standing few(Drop::kConfirm);
  CHECK(refusal(few, 0, Survivors{{0, 1, 2}}) == "survivors: 3 sites, the threshold is 4");
  Standing alone(Drop::kConfirm);
  CHECK(refusal(alone, 0, Survivors{{0}}) == "survivors: 1 sites, the threshold is 4");
}

TEST_CASE("a coordinator that reckons with fewer colluders doesn't lower the threshold of the sites") {
  BenchSetup setup;  // the coordinator continues with 4 of 6
  setup.adjust = [](std::size_t, SiteSetup& mine) { mine.colluding = 2; };
  Standing bench(Drop::kUpload, setup, kSix);
  bench.upload({4, 5});
  CHECK(refusal(bench, 0, bench.next<Survivors>(0)) == "survivors: 4 sites, the threshold is 5");
}

TEST_CASE("a site's own minimum of survivors counts beside the threshold") {
  BenchSetup setup;
  setup.adjust = [](std::size_t, SiteSetup& mine) { mine.minimum_survivors = 5; };
  Standing bench(Drop::kUpload, setup);
  bench.upload({4});
  CHECK(refusal(bench, 0, bench.next<Survivors>(0)) ==
        "survivors: found 4 sites; this site's policy requires 5 (policy.yaml: minimum_survivors)");
}

TEST_CASE("counts are summed over the whole group and nobody else") {
  const auto with_group = [](std::vector<std::string> group, const std::set<std::size_t>& gone) {
    BenchSetup setup;
    setup.adjust = [&group](std::size_t, SiteSetup& mine) { mine.exactly = group; };
    Standing bench(Drop::kUpload, setup);
    bench.upload(gone);
    const auto survivors = bench.next<Survivors>(0);
    if (const auto confirmed = bench.deliver(0, survivors); confirmed) return std::string("confirmed");
    Standing again(Drop::kUpload, setup);
    again.upload(gone);
    return refusal(again, 0, survivors);
  };
  const std::string refused =
      "survivors: expected exactly the members of the group, because counts are summed over all of them";
  CHECK(with_group(kFive.names(), {}) == "confirmed");
  CHECK(with_group(kFive.names(), {4}) == refused);
  CHECK(with_group({"site-000", "site-001", "site-002", "site-003"}, {}) == refused);
}

TEST_CASE("a second list of survivors is refused, shorter, longer or the same") {
  for (const std::vector<Rank>& second : {std::vector<Rank>{0, 1, 2, 3}, {0, 1, 2, 4}, {0, 1, 2, 3, 4}}) {
    Standing bench(Drop::kConfirm);
    REQUIRE(bench.deliver(0, Survivors{{0, 1, 2, 3, 4}}));
    CHECK(refusal(bench, 0, Survivors{second}) == "unexpected survivors while survivors are confirmed");
  }
}

TEST_CASE("shares are revealed for confirmations of t different survivors over the same list, no less") {
  const auto with_request = [](const auto& make) {
    Standing bench(Drop::kUpload);
    bench.upload({4});  // U2 is all sites, U3 all but site 4
    bench.confirm();
    const crypto::Digest cohort = cohort_of(bench);
    const std::vector<Rank> sharers{0, 1, 2, 3, 4};
    const auto statement = [&](const std::vector<Rank>& survivors) {
      return confirmation_statement(cohort, sharers, survivors);
    };
    return refusal(bench, 0, make(statement), Delivery::kAsValue);
  };
  const std::vector<Rank> survivors{0, 1, 2, 3};
  CHECK(with_request([&](const auto& over) { return confirmed_by(kFive, survivors, over(survivors)); }) == "ANSWERED");
  CHECK(with_request([&](const auto& over) {
          return confirmed_by(kFive, {0, 1, 2}, over(survivors));
        }) == "unmask request: 3 confirmations, the threshold is 4");
  CHECK(with_request([&](const auto& over) {
          return confirmed_by(kFive, {0, 1, 2, 2}, over(survivors));
        }) == "unmask request: a site confirms twice");
  CHECK(with_request([&](const auto& over) {
          return confirmed_by(kFive, {0, 1, 2, 4}, over(survivors));
        }) == "unmask request: a confirmation from a site that isn't among the survivors");
  const std::string other = "unmask request: confirmation of site-003: it signed something else";
  CHECK(with_request([&](const auto& over) {  // forged
          auto request = confirmed_by(kFive, survivors, over(survivors));
          request.confirmations[3].signature[0] ^= std::byte{1};
          return request;
        }) == other);
  CHECK(with_request([&](const auto& over) {  // of another site
          auto request = confirmed_by(kFive, survivors, over(survivors));
          request.confirmations[3].signature = request.confirmations[2].signature;
          return request;
        }) == other);
  CHECK(with_request([&](const auto& over) {  // over another list
          auto request = confirmed_by(kFive, survivors, over(survivors));
          request.confirmations[3] = confirmed_by(kFive, {3}, over({0, 1, 2, 3, 4})).confirmations[0];
          return request;
        }) == other);
  CHECK(with_request([&](const auto&) {  // over the same list, but other sharers
          auto request = confirmed_by(kFive, survivors, confirmation_statement({}, survivors, survivors));
          return request;
        }) == "unmask request: confirmation of site-000: it signed something else");
}

}  // namespace consilium::secagg
