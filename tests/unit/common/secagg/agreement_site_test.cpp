#include "common/secagg/agreement_site.h"

#include <algorithm>

#include "common/secagg/agreement_transcript.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/agreement_bench.h"
#include "tests/unit/common/secagg/certified_consortium.h"

/// A coordinator, or another site with its help, breaks one rule, in each way. The site must name the rule, answer
/// nothing, and have no key. scripts/remove_checks shows that each of these cases fails without its check.
namespace consilium::secagg {
namespace {

using Catch::Contains;
using Catch::StartsWith;

const QuickConsortium kNine(9);

template <class Message>
bool is(const AgreementCoordinatorMessage& message) {
  return std::holds_alternative<Message>(message);
}

/// An agreement that stops before the first message of a kind, where the test interferes.
template <class Message>
struct Before : AgreementBench {
  explicit Before(AgreementBenchSetup setup = {}, const Consortium& consortium = kNine)
      : AgreementBench(consortium, std::move(setup)) {
    run(is<Message>);
  }
};

AgreementBenchSetup three_groups() {
  AgreementBenchSetup setup;
  setup.groups = {3, 3, 3};
  return setup;
}

void sign(const AgreementBench& bench, std::size_t site, AgreementAdvert& advert) {
  const auto context = agreement_context(bench.agreement().job, bench.agreement().attempt);
  advert.signature = kNine.signer(site).sign(advert_statement(context, advert)).value();
}

crypto::Digest sites_of(const AgreementBench& bench, const AgreementAdvertList& list) {
  return sites_context(agreement_context(bench.agreement().job, bench.agreement().attempt), list);
}

/// Gives a site a message that it should refuse, and returns its error. The site must then have left: it has no key,
/// saves nothing and answers no other message. Otherwise this returns what the site did instead, in capital letters.
std::string refusal(AgreementBench& bench, std::size_t site, const AgreementCoordinatorMessage& message) {
  const auto refused = bench.site(site).receive(message);
  if (refused) return "ANSWERED";
  if (bench.site(site).key() != nullptr || bench.site(site).confirmation()) return "HAS A KEY";
  if (bench.site(site).sealed(bench.sealing_key())) return "SAVED";
  const AgreementCoordinatorMessage others[] = {AgreementAdvertList{}, DeliveredBoxes{}, Accusation{}, Openings{},
                                                message};
  for (const auto& other : others) {
    const auto after = bench.site(site).receive(other);
    if (after || after.error().message.find("the try was abandoned") == std::string::npos) return "STAYED";
  }
  return refused.error().message;
}

template <class Change>
std::string with_adverts(const Change& change, std::size_t site = 0) {
  Before<AgreementAdvertList> bench(three_groups());
  auto list = bench.waiting<AgreementAdvertList>(site);
  change(bench, list.adverts);
  return refusal(bench, site, list);
}

using Adverts = std::vector<AgreementAdvert>;

}  // namespace

TEST_CASE("a site agrees with whole groups alone, more than half of the job's, and itself unchanged") {
  CHECK(with_adverts([](auto&, Adverts& adverts) { adverts.pop_back(); }) ==
        "adverts: 2 of the 3 sites of group 2 are listed; expected all or none");
  CHECK(with_adverts([](auto&, Adverts& adverts) { adverts.erase(adverts.begin()); }) ==
        "adverts: this site isn't among them");
  CHECK(with_adverts([](auto&, Adverts& adverts) { adverts.resize(3); }) ==
        "adverts: 1 of the job's 3 groups take part; no round is committed without more than half of them");
  CHECK(with_adverts([](auto&, Adverts& adverts) { adverts[2] = adverts[3]; }) == "adverts: a site is listed twice");
  CHECK(with_adverts([](auto& bench, Adverts& adverts) {
          HandmadeSite stolen(kNine, 0, bench.agreement(), 7);  // correctly signed: its own key, before a restart
          adverts[0] = stolen.advert();
        }) == "adverts: this site's own advert was changed");
  CHECK(with_adverts([](auto&, Adverts& adverts) { adverts.resize(6); }) == "ANSWERED");  // two groups of three
}

TEST_CASE("a site that no group of the job lists is refused, though the consortium knows it") {
  AgreementBenchSetup setup;
  setup.groups = {3};
  Before<AgreementAdvertList> bench(setup);
  auto list = bench.waiting<AgreementAdvertList>(0);
  const HandmadeSite stranger(kNine, 7, bench.agreement(), 7);
  list.adverts.push_back(stranger.advert());
  CHECK(refusal(bench, 0, list) == "adverts: a listed site is in none of the job's groups");
}

TEST_CASE("foreign, changed and replayed adverts are refused with their owner's name, substituted box keys too") {
  const std::string other = "advert of site-005: the signature isn't that of site-005";
  CHECK(with_adverts([](auto&, Adverts& adverts) { adverts[5].box_key[3] ^= 1; }) == other);
  CHECK(with_adverts([](auto&, Adverts& adverts) { std::swap(adverts[5].box_key, adverts[6].box_key); }) == other);
  CHECK(with_adverts([](auto& bench, Adverts& adverts) {  // the coordinator's own key, signed by a colluding site
          adverts[5].box_key = HandmadeSite(kNine, 8, bench.agreement(), 7).advert().box_key;
          sign(bench, 8, adverts[5]);
        }) == other);
  CHECK(with_adverts([](auto& bench, Adverts& adverts) {
          adverts[5].certificate = Consortium::name(8);
          sign(bench, 8, adverts[5]);
        }) == "advert of site-005: a certificate of site-008");
  const auto from_elsewhere = [](const auto& change) {
    return with_adverts([&](auto& bench, Adverts& adverts) {
      AgreementSetup elsewhere = bench.agreement();
      change(elsewhere);
      adverts[5] = HandmadeSite(kNine, 5, elsewhere, 7).advert();
    });
  };
  CHECK(from_elsewhere([](AgreementSetup& setup) { setup.attempt = 2; }) == other);
  CHECK(from_elsewhere([](AgreementSetup& setup) { setup.job = crypto::sha256("another job"); }) == other);
}

TEST_CASE("no two sites have one box key, nor one but for the bit that doesn't count, nor one of small order") {
  for (const std::uint8_t bit : {std::uint8_t{0}, std::uint8_t{0x80}}) {
    CHECK(with_adverts([bit](auto& bench, Adverts& adverts) {
            adverts[4].box_key = adverts[1].box_key;
            adverts[4].box_key.back() ^= bit;
            sign(bench, 4, adverts[4]);
          }) == "adverts: a box key is used twice");
  }
  CHECK_THAT(with_adverts([](auto& bench, Adverts& adverts) {
               adverts[4].box_key = {};
               sign(bench, 4, adverts[4]);
             }),
             StartsWith("box key of site-004: "));
}

TEST_CASE("a site takes no key without a box of every other site, each signed for it") {
  const auto with_boxes = [](const auto& change) {
    Before<DeliveredBoxes> bench(three_groups());
    auto delivered = bench.waiting<DeliveredBoxes>(2);
    change(bench, delivered.boxes);
    return refusal(bench, 2, delivered);
  };
  using Boxes = std::vector<DeliveredBox>;
  CHECK(with_boxes([](auto&, Boxes& boxes) { boxes.pop_back(); }) ==
        "boxes: found those of 7 sites, expected those of all 8 others");
  CHECK(with_boxes([](auto&, Boxes& boxes) { boxes.push_back(boxes[0]); }) ==
        "boxes: found 9, expected at most one from each of 8 other sites");
  const std::string other = "box of site-004: the signature isn't that of site-004";
  CHECK(with_boxes([](auto&, Boxes& boxes) { boxes[3].box.sealed[5] ^= 1; }) == other);
  CHECK(with_boxes([](auto&, Boxes& boxes) { boxes[3].commitment[5] ^= 1; }) == other);
  CHECK(with_boxes([](auto& bench, Boxes& boxes) {  // one for another site
          boxes[3] = bench.template waiting<DeliveredBoxes>(1).boxes[3];
        }) == other);
  CHECK(with_boxes([](auto&, Boxes& boxes) { std::swap(boxes[3], boxes[4]); }) == other);
  CHECK(with_boxes([](auto&, Boxes& boxes) {  // whoever made the box, it lacks the honest site's signature
          boxes[3].box.signature = boxes[4].box.signature;
        }) == other);
}

TEST_CASE("a site doesn't take a number that doesn't fit its commitment, and one published number at most instead") {
  AgreementBench bench(kNine, {});
  bench.replace(2).seals = [](Rank to, PublishedNumber number) {
    if (to == 0) number[9] ^= 1;
    return number;
  };
  bench.run(is<Openings>);
  const auto complaints = std::ranges::find_if(
      bench.said(), [](const auto& said) { return std::holds_alternative<Complaints>(said.second); });
  REQUIRE(complaints != bench.said().end());
  CHECK(complaints->first == 0);
  CHECK(std::get<Complaints>(complaints->second).about.at(0).site == 2);
  CHECK(bench.site(0).key() == nullptr);

  const auto openings = bench.waiting<Openings>(0);
  const auto refused_with = [&](const auto& change) {
    const auto saved = bench.site(0).sealed(bench.sealing_key()).value();
    auto changed = openings;
    change(changed.numbers);
    const std::string refused = refusal(bench, 0, changed);
    bench.site(0) = AgreementSite::restore(saved, bench.sealing_key(), bench.setup_of(0), kNine.authenticator(),
                                           kNine.signer(0), bench.random(0))
                        .value();
    return refused;
  };
  CHECK(refused_with([](auto& numbers) { numbers[0].number[0] ^= 1; }) ==
        "openings: the number of site-002 isn't the one that it committed to");
  CHECK(refused_with([](auto& numbers) { numbers[0].from = 1; }) ==
        "openings: found a number that this site didn't complain about");
  CHECK(refused_with([](auto& numbers) { numbers.clear(); }) ==
        "openings: found 0 numbers, but this site complained about 1");
  bench.follow({});
  CHECK(bench.coordinator().phase() == AgreementPhase::kAgreed);
  CHECK(bytes_of(*bench.site(0).key()) == bytes_of(*bench.site(1).key()));
}

TEST_CASE("a site publishes its number only to a complaint that a listed site signed about it and its commitment") {
  AgreementBench bench(kNine, {});
  HandmadeSite& liar = bench.replace(2);
  bench.run();
  REQUIRE(bench.site(0).key() != nullptr);
  const auto saved = bench.site(0).sealed(bench.sealing_key()).value();
  AgreementAdvertList list;
  list.adverts = {bench.site(0).advert(), bench.site(1).advert(), liar.advert()};
  const auto sites = sites_of(bench, list);
  const auto number_boxes = [&](std::size_t site) {
    const auto said = std::ranges::find_if(bench.said(), [site](const auto& one) {
      return one.first == site && std::holds_alternative<NumberBoxes>(one.second);
    });
    return std::get<NumberBoxes>(said->second);
  };
  const crypto::Digest commitment = number_boxes(0).commitment;
  const auto signed_by = [&](std::size_t site, const crypto::Digest& context, Rank from, Rank about,
                             const crypto::Digest& of) {
    return kNine.signer(site).sign(complaint_statement(context, from, about, of)).value();
  };
  const auto answered = [&](Rank from, const Signature& signature) {
    auto site = AgreementSite::restore(saved, bench.sealing_key(), bench.setup_of(0), kNine.authenticator(),
                                       kNine.signer(0), bench.random(0))
                    .value();
    const auto answer = site.receive(Accusation{from, signature});
    if (answer) return std::string(name_of(*answer));
    return site.key() == nullptr ? answer.error().message : "STAYED";
  };
  const std::string other = "accusation by site-002: the signature isn't that of site-002";
  CHECK(answered(2, signed_by(2, sites, 2, 0, commitment)) == "opening");
  CHECK(answered(2, signed_by(1, sites, 2, 0, commitment)) == other);  // another site's signature
  CHECK(answered(2, signed_by(2, sites, 2, 1, commitment)) == other);  // about another site
  CHECK(answered(2, signed_by(2, sites, 2, 0, number_boxes(1).commitment)) == other);
  CHECK(answered(2, signed_by(2, crypto::sha256("another list"), 2, 0, commitment)) == other);
  CHECK(answered(9, signed_by(2, sites, 9, 0, commitment)) == "accusation: found rank 9 among 3 sites");
}

TEST_CASE("an accusation before the boxes, and messages out of order, are refused") {
  AgreementBench early(kNine, {});
  CHECK(refusal(early, 0, Accusation{1, Signature(8)}) == "unexpected accusation while the box key is advertised");
  AgreementBench boxes(kNine, {});
  CHECK(refusal(boxes, 0, DeliveredBoxes{}) == "unexpected delivered boxes while the box key is advertised");
  Before<DeliveredBoxes> openings;
  CHECK(refusal(openings, 0, Openings{}) == "unexpected openings while the boxes are sent");
  Before<DeliveredBoxes> twice;
  auto list = twice.waiting<DeliveredBoxes>(0);
  REQUIRE(twice.site(0).receive(list));
  REQUIRE(twice.site(0).key() != nullptr);
  list.boxes[0].box.signature = Signature(3);
  CHECK(refusal(twice, 0, list) == "unexpected delivered boxes while the key is agreed on");
}

TEST_CASE("a message that was answered is answered again word for word") {
  Before<DeliveredBoxes> bench;
  const auto boxes = bench.waiting<DeliveredBoxes>(0);
  const auto answer = bench.site(0).receive(boxes);
  REQUIRE(answer);
  const auto again = bench.site(0).receive(boxes);
  REQUIRE(again);
  CHECK(*again == *answer);
}

TEST_CASE("a site that has left doesn't repeat an earlier answer") {
  Before<AgreementAdvertList> bench;
  const auto list = bench.waiting<AgreementAdvertList>(0);
  REQUIRE(bench.site(0).receive(list));
  REQUIRE(bench.site(0).receive(list));
  CHECK(refusal(bench, 0, DeliveredBoxes{}) == "boxes: found those of 0 sites, expected those of all 2 others");
  CHECK_FALSE(bench.site(0).receive(list));
}

TEST_CASE("an unsafe setup doesn't start") {
  const auto started = [](const auto& change) -> std::string {
    AgreementBench bench(kNine, three_groups());
    auto setup = bench.setup_of(0);
    change(setup);
    const auto site = AgreementSite::start(setup, kNine.authenticator(), kNine.signer(0), bench.random(0));
    return site ? "STARTED" : site.error().message;
  };
  CHECK_THAT(started([](auto& setup) { setup.agreement.colluding = 0; }), Contains("c = 0"));
  CHECK_THAT(started([](auto& setup) { setup.agreement.colluding = 2; }),
             Contains("group 0 has 3 sites; if 2 may collude it needs 5"));
  CHECK_THAT(started([](auto& setup) { setup.agreement.groups.clear(); }), Contains("no groups"));
  CHECK_THAT(started([](auto& setup) { setup.agreement.groups[1] = setup.agreement.groups[0]; }),
             Contains("a site is listed twice"));
  CHECK_THAT(started([](auto& setup) { setup.site = "site-100"; }),
             Contains("site-100 is in none of the job's groups"));
}

TEST_CASE("certificates and signatures of the field serve: P-256, an authority and a roster") {
  CertifiedConsortium consortium(6);
  AgreementBenchSetup setup;
  setup.groups = {3, 3};
  AgreementBench bench(consortium, setup);
  bench.run();
  REQUIRE(bench.coordinator().phase() == AgreementPhase::kAgreed);
  for (std::size_t i = 1; i < 6; ++i) CHECK(bytes_of(*bench.site(i).key()) == bytes_of(*bench.site(0).key()));
}

}  // namespace consilium::secagg
