#include "common/secagg/group_checks.h"

#include <algorithm>

#include "common/secagg/group_transcript.h"
#include "common/secagg/transcript.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/certified_consortium.h"
#include "tests/unit/common/secagg/group_bench.h"

/// A coordinator breaks one rule, in each way. The site must name the rule, hand out no mask, and have left.
/// scripts/remove_checks shows that each of these cases fails without its check.
namespace consilium::secagg {
namespace {

using Catch::StartsWith;

const QuickConsortium kFive(5);

enum class Delivery { kAsBytes, kAsValue };  ///< as a value if the decoder would already refuse its bytes

/// Gives site 0 a list that it should refuse, and returns its error. The site must then have left. Otherwise this
/// returns what the site did instead, in capital letters.
std::string refusal(GroupBench& bench, const GroupAdvertList& list, Delivery delivery = Delivery::kAsBytes) {
  const auto refused = delivery == Delivery::kAsBytes ? bench.deliver(0, list) : bench.site(0).receive(list);
  if (refused) return "ACCEPTED";
  const auto after = bench.site(0).receive(bench.list(0));
  if (after || after.error().message.find("the attempt was abandoned") == std::string::npos) return "STAYED";
  if (bench.site(0).keyed() || bench.site(0).take_masks()) return "HANDED OUT MASKS";
  return refused.error().message;
}

/// Returns site 0's answer to the true list after `change` was applied to it.
template <class Change>
std::string refusal_of(const Change& change, Delivery delivery = Delivery::kAsBytes, GroupBenchSetup setup = {}) {
  GroupBench bench(kFive, std::move(setup));
  bench.advertise_all();
  GroupAdvertList list = bench.list(0);
  change(list, bench);
  return refusal(bench, list, delivery);
}

GroupSiteSetup good_setup() {
  GroupSiteSetup setup;
  setup.site = Consortium::name(0);
  setup.certificate = kFive.certificate(0);
  setup.members = kFive.names();
  setup.seen.resize(4);
  return setup;
}

/// Returns a site's error for a setup, or "" if it starts.
template <class Change>
std::string refused_setup(const Change& change) {
  GroupSiteSetup setup = good_setup();
  change(setup);
  SeededRandom random(1);
  const auto started = GroupSite::start(setup, kFive.authenticator(), kFive.signer(0), random);
  if (started) return "";
  CHECK(started.error().code == ErrorCode::kInvalidArgument);
  return started.error().message;
}

}  // namespace

TEST_CASE("a sum is over a whole group: a site takes part with exactly its members") {
  const std::string rule = "adverts: expected exactly one from each member of the group, in order of name";
  CHECK(refusal_of([](auto&, auto&) {}) == "ACCEPTED");
  for (std::size_t missing = 1; missing < 5; ++missing) {
    CHECK(refusal_of([missing](auto& list, auto&) {
            list.adverts.erase(list.adverts.begin() + static_cast<std::ptrdiff_t>(missing));
          }) == rule);
  }
  CHECK(refusal_of([](auto& list, auto&) { list.adverts.erase(list.adverts.begin()); }) == rule);
  const auto stranger = [](GroupAdvertList& list, GroupBench& bench) {
    GroupAdvert advert = list.adverts[4];
    advert.site = "site-005";
    advert.certificate = "site-005";
    advert.mask_key = crypto::X25519KeyPair::generate(bench.random()).value().public_key();
    const QuickConsortium six(6);
    sign(six, 5, advert, bench.context());
    return advert;
  };
  CHECK(refusal_of([&](auto& list, auto& bench) { list.adverts.push_back(stranger(list, bench)); }) == rule);
  CHECK(refusal_of([&](auto& list, auto& bench) { list.adverts[4] = stranger(list, bench); }) == rule);
  CHECK(refusal_of([](auto& list, auto&) { std::swap(list.adverts[1], list.adverts[2]); }, Delivery::kAsValue) == rule);
  CHECK(refusal_of([](auto& list, auto&) { list.adverts.insert(list.adverts.begin() + 2, list.adverts[1]); },
                   Delivery::kAsValue) == rule);
  CHECK(refusal_of([](auto& list, auto&) { list.adverts.clear(); }, Delivery::kAsValue) == rule);
}

TEST_CASE("a site takes part only with its own advert as it sent it") {
  const std::string rule = "adverts: this site's own advert was changed";
  CHECK(refusal_of([](auto& list, auto& bench) {  // as if its own signing key had been stolen
          list.adverts[0].mask_key[5] ^= 1;
          sign(kFive, 0, list.adverts[0], bench.context());
        }) == rule);
  CHECK(refusal_of([](auto& list, auto&) {  // its own of the same attempt, before a restart
          GroupBenchSetup other;
          other.seed = 2;
          GroupBench another(kFive, other);
          list.adverts[0] = another.site(0).advert();
        }) == rule);
}

TEST_CASE("no two members use one key, also where only the bit differs that X25519 ignores") {
  const std::string rule = "adverts: a key is used twice";
  CHECK(refusal_of([](auto& list, auto& bench) {  // two colluding sites
          list.adverts[2].mask_key = list.adverts[3].mask_key;
          sign(kFive, 2, list.adverts[2], bench.context());
        }) == rule);
  CHECK(refusal_of([](auto& list, auto& bench) {  // this site's own, repeated by another site
          list.adverts[2].mask_key = list.adverts[0].mask_key;
          sign(kFive, 2, list.adverts[2], bench.context());
        }) == rule);
  CHECK(refusal_of([](auto& list, auto& bench) {
          list.adverts[2].mask_key = list.adverts[3].mask_key;
          list.adverts[2].mask_key[31] ^= 0x80;
          sign(kFive, 2, list.adverts[2], bench.context());
        }) == rule);
}

TEST_CASE("a member's certificate must be its own") {
  CHECK(refusal_of([](auto& list, auto& bench) {  // site-003 signs for site-002
          list.adverts[2].certificate = kFive.certificate(3);
          sign(kFive, 3, list.adverts[2], bench.context());
        }) == "advert of site-002: a certificate of site-003");
}

TEST_CASE("a member's signature covers the attempt and everything in its advert") {
  const std::string rule = "advert of site-002: the signature isn't that of site-002";
  CHECK(refusal_of([](auto& list, auto&) { list.adverts[2].signature[0] ^= std::byte{1}; }) == rule);
  CHECK(refusal_of([](auto& list, auto&) { list.adverts[2].mask_key[0] ^= 1; }) == rule);
  CHECK(refusal_of([](auto& list, auto&) { list.adverts[2].number += 1; }) == rule);
  CHECK(refusal_of([](auto& list, auto&) { list.adverts[2].seen[1].number = 9; }) == rule);
  CHECK(refusal_of([](auto& list, auto&) { list.adverts[2].seen[0] = {3, crypto::sha256("another")}; }) == rule);
  CHECK(refusal_of([](auto& list, auto&) {  // of another attempt
          GroupBenchSetup other;
          other.context = crypto::sha256("another attempt");
          GroupBench another(kFive, other);
          list.adverts[2] = another.site(2).advert();
        }) == rule);
  CHECK(refusal_of([](auto& list, auto&) {  // of mode masked-threshold
          list.adverts[2].signature =
              kFive.signer(2)
                  .sign(advert_statement(GroupBenchSetup{}.context, Advert{"site-002", "site-002", {}, {}, {}}))
                  .value();
        }) == rule);
}

TEST_CASE("a mask key that agrees on zero with every other is refused") {
  for (const std::uint8_t first : {std::uint8_t{0}, std::uint8_t{1}}) {
    CHECK_THAT(refusal_of([first](auto& list, auto& bench) {
                 list.adverts[2].mask_key = {first};
                 sign(kFive, 2, list.adverts[2], bench.context());
               }),
               StartsWith("mask key of site-002: "));
  }
}

TEST_CASE("each member says of each other member what it has seen") {
  CHECK(refusal_of([](auto& list, auto& bench) {
          list.adverts[2].seen.pop_back();
          sign(kFive, 2, list.adverts[2], bench.context());
        }) == "advert of site-002: it names 3 other members, expected 4");
  CHECK(refusal_of([](auto& list, auto& bench) {
          list.adverts[2].seen.emplace_back();
          sign(kFive, 2, list.adverts[2], bench.context());
        }) == "advert of site-002: it names 5 other members, expected 4");
}

TEST_CASE("a member whose number doesn't rise has gone back to an older state") {
  GroupBenchSetup setup;
  setup.adjust = [](std::size_t site, GroupSiteSetup& mine) {
    if (site == 0) mine.seen[2] = {7, crypto::sha256("the seventh of site-003")};
    if (site == 3) mine.number = 7;
  };
  CHECK(refusal_of([](auto&, auto&) {}, Delivery::kAsBytes, setup) ==
        "advert of site-003: its number is 7, but this site has uploaded under its advert 7: has site-003 gone back to "
        "an older state?");
  setup.adjust = [](std::size_t site, GroupSiteSetup& mine) {
    if (site == 0) mine.seen[2] = {7, crypto::sha256("the seventh of site-003")};
    if (site == 3) mine.number = 8;
  };
  CHECK(refusal_of([](auto&, auto&) {}, Delivery::kAsBytes, setup) == "ACCEPTED");
}

TEST_CASE("a second list is refused, be it the same, and no mask is handed out after it") {
  GroupBench bench(kFive, {});
  bench.advertise_all();
  REQUIRE(bench.deliver(0, bench.list(0)));
  CHECK(bench.site(0).keyed());
  const auto again = bench.deliver(0, bench.list(0));
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::kFailedPrecondition);
  CHECK(again.error().message == "unexpected group advert list while masks are agreed on");
  CHECK_FALSE(bench.site(0).keyed());
  CHECK_FALSE(bench.site(0).take_masks());
}

TEST_CASE("masks are handed out once, and not before the list") {
  GroupBench bench(kFive, {});
  CHECK_FALSE(bench.site(0).take_masks());
  bench.advertise_all();
  REQUIRE(bench.deliver(0, bench.list(0)));
  CHECK(bench.site(0).take_masks());
  CHECK_FALSE(bench.site(0).keyed());
  const auto again = bench.site(0).take_masks();
  REQUIRE_FALSE(again);
  CHECK(again.error().message ==
        "there are no masks to take, because masks hide only one vector, once: masks are taken");
  CHECK_FALSE(bench.deliver(0, bench.list(0)));
}

TEST_CASE("a site doesn't start where nobody is said to collude, nor in a group that colluders see through") {
  CHECK(refused_setup([](auto&) {}).empty());
  CHECK(refused_setup([](auto& setup) { setup.colluding = 0; }) ==
        "colluding sites: expected 1 or more; 0 would admit a group of one site");
  CHECK(refused_setup([](auto& setup) {
          setup.members.resize(2);
          setup.seen.resize(1);
        }) == "the group has 2 sites; expected 3 or more if 1 may collude");
  CHECK(refused_setup([](auto& setup) {
          setup.colluding = 2;
          setup.members.resize(4);
          setup.seen.resize(3);
        }) == "the group has 4 sites; expected 5 or more if 2 may collude");
  CHECK(refused_setup([](auto& setup) {
          for (std::size_t site = 5; site < 129; ++site) setup.members.push_back(Consortium::name(site));
          setup.seen.resize(128);
        }) == "the group has 129 sites, expected 128 or fewer");
}

TEST_CASE("a site doesn't start in a group that isn't one, or isn't its own") {
  const std::string order = "the group's sites: expected them in order of name, each once";
  CHECK(refused_setup([](auto& setup) { std::swap(setup.members[1], setup.members[2]); }) == order);
  CHECK(refused_setup([](auto& setup) { setup.members[2] = setup.members[1]; }) == order);
  CHECK(refused_setup([](auto& setup) { setup.site = "site-007"; }) == "site-007 isn't a member of the group");
  CHECK_THAT(refused_setup([](auto& setup) { setup.number = 0; }), StartsWith("found advert 0 with 4 other members"));
  CHECK_THAT(refused_setup([](auto& setup) { setup.seen.pop_back(); }),
             StartsWith("found advert 1 with 3 other members"));
}

TEST_CASE("what others claim to have seen, and what this site has seen, stand in order of name") {
  GroupBenchSetup setup;
  setup.adjust = [](std::size_t site, GroupSiteSetup& mine) {
    mine.number = 10 + site;
    std::size_t other = 0;
    for (std::size_t of = 0; of < 5; ++of) {
      if (of != site)
        mine.seen[other++] = {of + 1, crypto::sha256(std::to_string(site) + " saw " + std::to_string(of))};
    }
  };
  GroupBench bench(kFive, setup);
  CHECK(bench.site(2).claims().empty());
  CHECK(bench.site(2).others().empty());
  CHECK(bench.site(2).cohort() == crypto::Digest{});
  bench.advertise_all();
  REQUIRE(bench.deliver(2, bench.list(2)));
  std::vector<Seen> claims;
  std::vector<Seen> others;
  for (const std::size_t other : {0U, 1U, 3U, 4U}) {
    claims.push_back({3, crypto::sha256(std::to_string(other) + " saw 2")});
    others.push_back({10 + other, bench.site(other).advert_digest()});
  }
  CHECK(bench.site(2).claims() == claims);
  CHECK(bench.site(2).others() == others);
  CHECK(bench.site(2).cohort() == bench.coordinator().cohort());
}

TEST_CASE("with certificates of an authority, only a member with its key on the roster gets in") {
  CertifiedConsortium consortium(3);
  const auto attempt = [&](auto change) {
    GroupBench bench(consortium, {});
    bench.advertise_all();
    GroupAdvertList list = bench.list(0);
    change(list.adverts[1], bench);
    return refusal(bench, list);
  };
  CHECK(attempt([](auto&, auto&) {}) == "ACCEPTED");
  CHECK_THAT(attempt([&](GroupAdvert& advert, GroupBench& bench) {  // its own key, but the certificate has expired
               advert.certificate = consortium.certify(consortium.request(1), "site-001", std::chrono::hours{-1});
               sign(consortium, 1, advert, bench.context());
             }),
             StartsWith("advert of site-001: "));
  CHECK_THAT(attempt([&](GroupAdvert& advert, GroupBench&) {  // a second certificate of its key, inserted by others
               advert.certificate = consortium.certify(consortium.request(1), "site-001");
             }),
             StartsWith("advert of site-001: "));
  GroupBench bench(consortium, {});  // the authority certifies another key for the name
  bench.advertise_all();
  REQUIRE(consortium.authority().revoke(pki::Role::kSite, "site-001"));
  const auto minted = consortium.fresh_key("site-001");
  GroupAdvertList list = bench.list(0);
  list.adverts[1].certificate = consortium.certify(minted.request, "site-001");
  list.adverts[1].signature = minted.signer->sign(advert_statement(bench.context(), list.adverts[1])).value();
  CHECK_THAT(refusal(bench, list), StartsWith("advert of site-001: the roster names another key for site-001"));
}

}  // namespace consilium::secagg
