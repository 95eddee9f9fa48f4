#include "common/secagg/agreement_coordinator.h"

#include <algorithm>
#include <functional>

#include "common/secagg/agreement_transcript.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/agreement_bench.h"

/// Whatever a site does, from whatever position, the honest sites agree, or the try fails with the liar's name. What
/// the coordinator has seen never determines the key.
namespace consilium::secagg {
namespace {

using Catch::Contains;
using Names = std::vector<std::string>;

const QuickConsortium kTwenty(20);
constexpr std::size_t kSites = 6;  // for tests in which a site lies from each position

AgreementBenchSetup two_groups() {
  AgreementBenchSetup setup;
  setup.groups = {3, 3};
  return setup;
}

/// Returns a guess that the coordinator can make: the hash of the numbers that it has seen, with zeros for the others.
std::vector<std::uint8_t> guess(AgreementBench& bench) {
  AgreementAdvertList list;
  for (std::size_t i = 0; i < bench.size(); ++i) list.adverts.push_back(bench.site(i).advert());
  std::vector<crypto::SecretBytes> numbers;
  for (std::size_t i = 0; i < bench.size(); ++i) {
    PublishedNumber number{};
    for (const auto& [site, message] : bench.said()) {
      const auto* opening = std::get_if<Opening>(&message);
      if (opening != nullptr && site == i) number = opening->number;
    }
    numbers.push_back(crypto::SecretBytes::copy_of(number).value());
  }
  const auto context = agreement_context(bench.agreement().job, bench.agreement().attempt);
  return bytes_of(agreed_key(numbers, sites_context(context, list)).value());
}

/// Checks that the honest sites have one key, which the coordinator doesn't know.
void check_agreed(AgreementBench& bench, std::optional<std::size_t> liar = std::nullopt) {
  REQUIRE(bench.coordinator().phase() == AgreementPhase::kAgreed);
  CHECK(bench.refusals().empty());
  std::optional<std::vector<std::uint8_t>> key;
  for (std::size_t i = 0; i < bench.size(); ++i) {
    if (i == liar) continue;
    REQUIRE(bench.site(i).key() != nullptr);
    if (!key) key = bytes_of(*bench.site(i).key());
    CHECK(bytes_of(*bench.site(i).key()) == *key);
    CHECK(bench.site(i).confirmation() == bench.coordinator().confirmation());
    CHECK(bench.site(i).groups() == bench.coordinator().groups());
  }
  CHECK(guess(bench) != *key);
  CHECK(bench.published().size() < bench.size());
}

/// Checks that the try has failed with the liar's name and nobody else's.
void check_blamed(AgreementBench& bench, std::size_t liar, const std::string& why) {
  CHECK(bench.coordinator().phase() == AgreementPhase::kFailed);
  CHECK(bench.coordinator().blamed() == Names{Consortium::name(liar)});
  CHECK_THAT(bench.coordinator().failure().message, Contains(why));
  CHECK_THAT(bench.coordinator().failure().message, Contains(Consortium::name(liar)));
  CHECK_FALSE(bench.coordinator().confirmation());
  CHECK(bench.coordinator().awaited().empty());
  CHECK(bench.published().size() < bench.size());
}

/// Lets one site lie from each position, with another one as its victim.
void from_each_position(const std::function<void(AgreementBench& bench, std::size_t liar, std::size_t victim)>& play) {
  for (std::size_t liar = 0; liar < kSites; ++liar) {
    AgreementBench bench(kTwenty, two_groups());
    play(bench, liar, (liar + 1) % kSites);
  }
}

}  // namespace

TEST_CASE("three to twenty honest sites agree on one key, and publish nothing") {
  for (std::size_t sites = 3; sites <= 20; ++sites) {
    AgreementBenchSetup setup;
    setup.groups = {sites};
    setup.seed = sites;
    AgreementBench bench(kTwenty, setup);
    bench.run();
    check_agreed(bench);
    CHECK(bench.published().empty());
  }
}

TEST_CASE("the sites of several groups have one key; another try, job or cohort has another") {
  AgreementBenchSetup setup;
  setup.groups = {7, 7, 6};
  setup.colluding = 2;
  AgreementBench bench(kTwenty, setup);
  bench.run();
  check_agreed(bench);
  std::set<std::vector<std::uint8_t>> keys{bytes_of(*bench.site(0).key())};
  std::set<crypto::Digest> confirmations{*bench.site(0).confirmation()};
  const auto another = [&](const auto& change) {
    AgreementBenchSetup other = setup;
    change(other);
    AgreementBench again(kTwenty, other);  // with the same randomness
    if (other.colluding == 1) again.absent = {19};
    again.run();
    again.follow(again.coordinator().close());
    keys.insert(bytes_of(*again.site(0).key()));
    confirmations.insert(*again.site(0).confirmation());
  };
  another([](auto& other) { other.attempt = 2; });
  another([](auto& other) { other.job = crypto::sha256("another job"); });
  another([](auto& other) { other.colluding = 1; });  // without the last group
  CHECK(keys.size() == 4);
  CHECK(confirmations.size() == 4);
}

TEST_CASE("at the end of the time whole groups go on, and the others' sites hear nothing") {
  AgreementBenchSetup setup;
  setup.groups = {3, 3, 3};
  AgreementBench bench(kTwenty, setup);
  bench.absent = {4};
  bench.run();
  CHECK(bench.coordinator().phase() == AgreementPhase::kAdvertising);
  CHECK(bench.coordinator().awaited() == std::set<std::string>{"site-004"});
  bench.follow(bench.coordinator().close());
  REQUIRE(bench.coordinator().phase() == AgreementPhase::kAgreed);
  CHECK(bench.coordinator().groups() == std::vector<std::uint32_t>{0, 2});
  CHECK(bench.site(0).groups() == std::vector<std::uint32_t>{0, 2});
  CHECK(bench.site(3).key() == nullptr);
  CHECK(bytes_of(*bench.site(0).key()) == bytes_of(*bench.site(8).key()));
  CHECK(bench.coordinator().receive("site-004", bench.site(4).advert()).messages.empty());
}

TEST_CASE("with half of the groups there is no agreement, since no round could be committed") {
  AgreementBench bench(kTwenty, two_groups());
  bench.absent = {4};
  bench.run();
  bench.follow(bench.coordinator().close());
  CHECK(bench.coordinator().phase() == AgreementPhase::kFailed);
  CHECK(bench.coordinator().blamed().empty());
  CHECK(
      bench.coordinator().failure().message ==
      "agreement on a key: 1 of the job's 2 groups are complete; no round is committed without more than half of them; "
      "missing: site-004");
}

TEST_CASE("an untrue advert is refused, and a true one may follow it") {
  AgreementBench bench(kTwenty, two_groups());
  auto& coordinator = bench.coordinator();
  const auto refused = [&](const std::string& site, const AgreementSiteMessage& message) -> std::string {
    const auto output = coordinator.receive(site, message);
    REQUIRE(output.messages.empty());
    return output.refused.empty() ? "TAKEN" : output.refused.at(0).error.message;
  };
  auto advert = bench.site(1).advert();
  CHECK(refused("site-000", advert) == "advert of 'site-001', sent by site-000");
  advert.box_key[0] ^= 1;
  CHECK(refused("site-001", advert) == "the signature isn't that of site-001");
  CHECK(refused("site-009", HandmadeSite(kTwenty, 9, bench.agreement(), 1).advert()) ==
        "site-009 is in none of the job's groups");
  CHECK(refused("site-001", Opening{}) == "unexpected opening while advertising");
  const auto signed_key = [&](std::size_t site, const crypto::X25519PublicKey& key) {
    AgreementAdvert made{Consortium::name(site), Consortium::name(site), key, {}};
    const auto context = agreement_context(bench.agreement().job, bench.agreement().attempt);
    made.signature = kTwenty.signer(site).sign(advert_statement(context, made)).value();
    return made;
  };
  CHECK_THAT(refused("site-001", signed_key(1, {})), Contains("order"));
  CHECK(refused("site-000", bench.site(0).advert()) == "TAKEN");
  CHECK(refused("site-001", signed_key(1, bench.site(0).advert().box_key)) == "its box key is that of site-000");
  bench.run();
  check_agreed(bench);
}

TEST_CASE("a site that restarts before the list may advertise anew; after it, it is named") {
  AgreementBench bench(kTwenty, two_groups());
  const HandmadeSite restarted(kTwenty, 1, bench.agreement(), 77);
  CHECK(bench.coordinator().receive("site-001", restarted.advert()).refused.empty());
  bench.run([](const auto& message) { return std::holds_alternative<AgreementAdvertList>(message); });
  CHECK(bench.waiting<AgreementAdvertList>(0).adverts[1] == bench.site(1).advert());
  CHECK(bench.coordinator().receive("site-001", bench.site(1).advert()).messages.empty());
  CHECK(bench.coordinator().phase() == AgreementPhase::kSealing);
  CHECK(bench.coordinator().receive("site-001", restarted.advert()).messages.empty());
  check_blamed(bench, 1, "advertised another key while sealing numbers; it may have lost its state");
}

TEST_CASE("a number that doesn't fit for one site: it is published, and all agree") {
  from_each_position([](AgreementBench& bench, std::size_t liar, std::size_t victim) {
    bench.replace(liar).seals = [victim](Rank to, PublishedNumber number) {
      if (to == victim) number[31] ^= 0x80;
      return number;
    };
    bench.run();
    check_agreed(bench, liar);
    CHECK(bench.published() == std::set{liar});
  });
}

TEST_CASE("a number that fits for nobody, and isn't published as committed to, names its sender") {
  from_each_position([](AgreementBench& bench, std::size_t liar, std::size_t) {
    HandmadeSite& site = bench.replace(liar);
    site.seals = [](Rank, PublishedNumber number) {
      number[0] ^= 1;
      return number;
    };
    site.opens = PublishedNumber{1};
    bench.run();
    check_blamed(bench, liar, "the number isn't the one that it committed to");
  });
}

TEST_CASE("a false complaint has the accused publish its number, and all agree on a key that stays unknown") {
  from_each_position([](AgreementBench& bench, std::size_t liar, std::size_t victim) {
    bench.replace(liar).complains_of = {static_cast<Rank>(victim)};
    bench.run();
    check_agreed(bench, liar);
    CHECK(bench.published() == std::set{victim});
  });
}

TEST_CASE("one site's false complaints about all others leave its own number unknown") {
  from_each_position([](AgreementBench& bench, std::size_t liar, std::size_t) {
    for (std::size_t i = 0; i < kSites; ++i) {
      if (i != liar) bench.replace(liar).complains_of.insert(static_cast<Rank>(i));
    }
    bench.run();
    check_agreed(bench, liar);
    CHECK(bench.published().size() == kSites - 1);
  });
}

TEST_CASE("complaints by which every number would be published name the site that makes the last") {
  AgreementBench bench(kTwenty, two_groups());
  bench.replace(0).complains_of = {1, 2, 3, 4, 5};
  bench.replace(1).complains_of = {0};
  bench.run();
  check_blamed(bench, 1, "every site's number would be published");
}

TEST_CASE("withheld boxes, openings and answers name the silent site") {
  from_each_position([](AgreementBench& bench, std::size_t liar, std::size_t) {
    bench.replace(liar).sends_boxes = false;
    bench.run();
    CHECK(bench.coordinator().awaited() == std::set{Consortium::name(liar)});
    bench.follow(bench.coordinator().close());
    check_blamed(bench, liar, "no answer from");
  });
  from_each_position([](AgreementBench& bench, std::size_t liar, std::size_t victim) {
    HandmadeSite& site = bench.replace(liar);
    site.answers_accusations = false;
    site.seals = [victim](Rank to, PublishedNumber number) { return to == victim ? PublishedNumber{} : number; };
    bench.run();
    CHECK(bench.coordinator().awaited() == std::set{Consortium::name(liar)});  // not the site that waits for it
    bench.follow(bench.coordinator().close());
    check_blamed(bench, liar, "no answer from");
  });
  from_each_position([](AgreementBench& bench, std::size_t silent, std::size_t) {
    bench.on_the_way = [silent](std::size_t site,
                                AgreementCoordinatorMessage message) -> std::optional<AgreementCoordinatorMessage> {
      if (site == silent && std::holds_alternative<DeliveredBoxes>(message)) return std::nullopt;
      return message;
    };
    bench.run();
    bench.follow(bench.coordinator().close());
    check_blamed(bench, silent, "no answer from");
  });
}

TEST_CASE("two numbers of one sender name it: another commitment, or other boxes under the same one") {
  from_each_position([](AgreementBench& bench, std::size_t liar, std::size_t) {
    HandmadeSite& site = bench.replace(liar);
    bench.run([](const auto& message) { return std::holds_alternative<DeliveredBoxes>(message); });
    auto again = site.boxes();
    again.boxes[0].signature.push_back(std::byte{1});  // a new signature doesn't make another statement
    CHECK(bench.coordinator().receive(Consortium::name(liar), again).messages.empty());
    CHECK(bench.coordinator().phase() == AgreementPhase::kChecking);
    bench.coordinator().receive(Consortium::name(liar), site.boxes(PublishedNumber{5}));
    check_blamed(bench, liar, "the site has sent two different statements");
  });
  AgreementBench bench(kTwenty, two_groups());
  HandmadeSite& site = bench.replace(3);
  bench.run([](const auto& message) { return std::holds_alternative<DeliveredBoxes>(message); });
  site.seals = [](Rank, PublishedNumber) { return PublishedNumber{}; };
  bench.coordinator().receive("site-003", site.boxes());
  check_blamed(bench, 3, "the site has sent two different statements");
}

TEST_CASE("boxes that aren't signed for their receiver, too few boxes, and early messages name their sender") {
  const auto sealing = [](const auto& change, const std::string& why) {
    from_each_position([&](AgreementBench& bench, std::size_t liar, std::size_t victim) {
      HandmadeSite& site = bench.replace(liar);
      site.sends_boxes = false;
      bench.run();
      auto boxes = site.boxes();
      change(boxes, index_of_other(static_cast<Rank>(victim), static_cast<Rank>(liar)));
      const auto output = bench.coordinator().receive(Consortium::name(liar), boxes);
      CHECK(output.messages.empty());
      check_blamed(bench, liar, why);
    });
  };
  sealing([](NumberBoxes& boxes, std::size_t) { boxes.boxes.pop_back(); }, "4 boxes for 5 other sites");
  sealing([](NumberBoxes& boxes, std::size_t to) { boxes.boxes[to].sealed[0] ^= 1; }, "the signature isn't that of");
  sealing([](NumberBoxes& boxes, std::size_t to) { boxes.boxes[to] = boxes.boxes[(to + 1) % 5]; },
          "the signature isn't that of");
  const auto early = [](const AgreementSiteMessage& message, const std::string& why) {
    AgreementBench bench(kTwenty, two_groups());
    bench.replace(2).sends_boxes = false;
    bench.run();
    bench.coordinator().receive("site-002", message);
    check_blamed(bench, 2, why);
  };
  early(Complaints{{{1, Signature(9)}}}, "unexpected while sealing numbers");
  early(Opening{}, "no site has complained about this site's box");
  early(Agreed{}, "can't have the key yet");
}

TEST_CASE("a forged complaint, one about the site itself, and one after it had the key name the site") {
  const auto checking = [](const auto& make, const std::string& why) {
    AgreementBench bench(kTwenty, two_groups());
    HandmadeSite& site = bench.replace(2);
    bench.on_the_way = [](std::size_t to,
                          AgreementCoordinatorMessage message) -> std::optional<AgreementCoordinatorMessage> {
      if (to == 0 && std::holds_alternative<DeliveredBoxes>(message)) return std::nullopt;  // keeps the agreement open
      return message;
    };
    bench.run();
    bench.coordinator().receive("site-002", make(bench, site));
    check_blamed(bench, 2, why);
  };
  checking([](auto&, HandmadeSite& site) { return Complaints{{site.complaint(1, crypto::sha256("another"))}}; },
           "the site has already confirmed that it has the key");
  checking(
      [](auto&, HandmadeSite&) {
        return Agreed{crypto::sha256("another"), Signature(8)};
      },
      "the site has sent two different statements");

  const auto complaining = [](const auto& change, const std::string& why) {
    AgreementBench bench(kTwenty, two_groups());
    HandmadeSite& site = bench.replace(2);
    bench.on_the_way = [&](std::size_t to,
                           AgreementCoordinatorMessage message) -> std::optional<AgreementCoordinatorMessage> {
      if (to == 2 && std::holds_alternative<DeliveredBoxes>(message)) return std::nullopt;
      return message;
    };
    bench.run();
    bench.coordinator().receive("site-002", change(site));
    check_blamed(bench, 2, why);
  };
  complaining([](HandmadeSite& site) { return Complaints{{site.complaint(1, crypto::sha256("another"))}}; },
              "the signature isn't that of site-002");
  complaining([](HandmadeSite& site) { return Complaints{{site.complaint(2, {})}}; }, "rank 2 among 6 sites");
  complaining([](HandmadeSite& site) { return Complaints{{site.complaint(77, {})}}; }, "rank 77 among 6 sites");
  complaining(
      [](HandmadeSite&) {
        return Agreed{crypto::sha256("another"), Signature(8)};
      },
      "the signature isn't that of site-002");
}

TEST_CASE("a site that says it has another key than the others is named; so are two of six") {
  from_each_position([](AgreementBench& bench, std::size_t liar, std::size_t) {
    bench.replace(liar).confirms = crypto::sha256("another key");
    bench.run();
    check_blamed(bench, liar, "differs from the key of 5 other sites");
  });
  AgreementBench bench(kTwenty, two_groups());
  bench.replace(1).confirms = crypto::sha256("another key");
  bench.replace(4).confirms = crypto::sha256("a third key");
  bench.run();
  CHECK(bench.coordinator().blamed() == Names{"site-001", "site-004"});
}

TEST_CASE("a sender and a coordinator that show two commitments make different keys, whose confirmations differ") {
  AgreementBench bench(kTwenty, two_groups());
  HandmadeSite& liar = bench.replace(5);
  std::optional<NumberBoxes> second;
  bench.on_the_way = [&](std::size_t to,
                         AgreementCoordinatorMessage message) -> std::optional<AgreementCoordinatorMessage> {
    auto* delivered = std::get_if<DeliveredBoxes>(&message);
    if (delivered == nullptr || to != 0) return message;
    liar.seals = [](Rank, PublishedNumber) { return PublishedNumber{7}; };
    second = liar.boxes(PublishedNumber{7});
    delivered->boxes[4] = {second->commitment, second->boxes[0]};
    return message;
  };
  bench.run();
  CHECK(bench.coordinator().phase() == AgreementPhase::kFailed);
  CHECK(bench.site(0).confirmation() != bench.site(1).confirmation());
  CHECK(bytes_of(*bench.site(0).key()) != bytes_of(*bench.site(1).key()));
}

TEST_CASE("a coordinator that substitutes its own box keys is refused by every site but the one it was for") {
  AgreementBench bench(kTwenty, two_groups());
  const HandmadeSite coordinators(kTwenty, 19, bench.agreement(), 3);
  bench.on_the_way = [&](std::size_t to,
                         AgreementCoordinatorMessage message) -> std::optional<AgreementCoordinatorMessage> {
    if (auto* list = std::get_if<AgreementAdvertList>(&message)) {
      for (std::size_t i = 0; i < list->adverts.size(); ++i) {
        if (i != to) list->adverts[i].box_key = coordinators.advert().box_key;
        if (i != to) list->adverts[i].box_key[0] ^= static_cast<std::uint8_t>(i);
      }
    }
    return message;
  };
  bench.run();
  CHECK(bench.refusals().size() == kSites);
  CHECK(std::ranges::none_of(bench.said(), [](const auto& said) { return said.second.index() > 0; }));
}

TEST_CASE("sites that lose their connection, and restart, are told again what they missed") {
  for (std::size_t lost = 0; lost < 4; ++lost) {
    AgreementBench bench(kTwenty, two_groups());
    bench.replace(5).seals = [](Rank to, PublishedNumber number) {
      if (to == 1) number[0] ^= 1;
      return number;
    };
    std::size_t kind = 0;
    bench.on_the_way = [&](std::size_t to,
                           AgreementCoordinatorMessage message) -> std::optional<AgreementCoordinatorMessage> {
      kind = message.index();
      const std::size_t affected = kind == 2 ? 5 : 1;
      if (to == affected && kind == lost) return std::nullopt;
      return message;
    };
    bench.run();
    REQUIRE(bench.coordinator().phase() != AgreementPhase::kAgreed);
    bench.on_the_way = {};
    for (std::size_t site = 0; site < 5; ++site) bench.restart(site);
    for (std::size_t round = 0; round < 4; ++round) {
      AgreementOutput again;
      for (std::size_t site = 0; site < kSites; ++site) {
        for (auto& message : bench.coordinator().unanswered(Consortium::name(site))) {
          again.messages.push_back({Consortium::name(site), std::move(message)});
        }
      }
      bench.follow(std::move(again));
    }
    check_agreed(bench, 5);
    CHECK(bench.coordinator().unanswered("site-001").empty());
  }
}

TEST_CASE("what comes once the try is over changes nothing") {
  AgreementBench bench(kTwenty, two_groups());
  bench.run();
  bench.coordinator().receive("site-001", Opening{});
  CHECK(bench.coordinator().phase() == AgreementPhase::kAgreed);
  bench.follow(bench.coordinator().close());
  check_agreed(bench);
}

}  // namespace consilium::secagg
