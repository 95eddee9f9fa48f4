#include "common/secagg/coordinator_protocol.h"

#include <algorithm>

#include "common/secagg/transcript.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/consortium_bench.h"
#include "tests/unit/common/secagg/lying_site.h"

/// Sites lie, are late, or repeat messages. A liar loses its place by name, and the others complete their sum.
namespace consilium::secagg {
namespace {

const QuickConsortium kCoordinatorFive(5);
const crypto::Digest kContext = BenchSetup{}.context;

/// Changes site 4's message of one kind on its way.
template <class Message, class Change>
BenchSetup lying(Change change) {
  BenchSetup setup;
  setup.to_coordinator = [change](std::size_t site, SiteMessage& message) {
    if (auto* body = std::get_if<Message>(&message); body != nullptr && site == 4) change(*body);
  };
  return setup;
}

/// The others finish without site 4, whose loss has this reason.
void check_lost(const BenchSetup& setup, const std::string& reason) {
  ConsortiumBench bench(kCoordinatorFive, setup);
  bench.run();
  CHECK(bench.lost() == std::map<std::size_t, std::string>{{4, reason}});
  CHECK(bench.left().empty());
  REQUIRE(bench.coordinator().phase() == Phase::kUnmasked);
  CHECK(bench.unmasked_sum() == bench.plain_sum());
}

/// The error that refuses a point of small order.
std::string small_order() {
  SeededRandom random(1);
  return crypto::X25519KeyPair::generate(random).value().agree({}).error().message;
}

/// An attempt in which site 4 is a LyingSite that shares these secrets, and that can upload.
struct Lie {
  explicit Lie(bool wrong_seed, bool wrong_key)
      : bench(kCoordinatorFive, {}), liar(kCoordinatorFive, 4, bench.random()) {
    for (std::size_t i = 0; i < 4; ++i) bench.send(i, bench.site(i).advert());
    bench.send(4, liar.advert(kContext));
    const auto list = bench.next<AdvertList>(4);
    const auto seed = draw_secret(bench.random());
    const auto other = draw_secret(bench.random());
    bench.send(4, liar.shares(kContext, list, 4, seed, wrong_seed ? other : seed, wrong_key ? other : liar.mask_key()));
    bench.share({4});
  }
  ConsortiumBench bench;
  LyingSite liar;
};

}  // namespace

TEST_CASE(
    "an advert under another's name, of another's key, changed, or for another attempt costs its sender its place") {
  check_lost(lying<Advert>([](Advert& advert) { advert.site = "site-003"; }), "advert of 'site-003', sent by site-004");
  check_lost(lying<Advert>([](Advert& advert) { advert.certificate = "site-003"; }), "a certificate of site-003");
  const std::string signed_otherwise = "the signature isn't that of site-004";
  check_lost(lying<Advert>([](Advert& advert) { advert.mask_key[0] ^= 1; }), signed_otherwise);
  BenchSetup other;
  other.adjust = [](std::size_t site, SiteSetup& mine) {
    if (site == 4) mine.context = crypto::sha256("another attempt");
  };
  check_lost(other, signed_otherwise);
}

TEST_CASE("keys that the others would refuse cost their sender its place, and not them the attempt") {
  const auto with_keys = [](const auto& change) {
    return lying<Advert>([change](Advert& advert) {
      change(advert);
      advert.signature = kCoordinatorFive.signer(4).sign(advert_statement(kContext, advert)).value();
    });
  };
  check_lost(with_keys([](Advert& advert) { advert.mask_key = advert.channel_key; }), "advert: a key is used twice");
  check_lost(with_keys([](Advert& advert) { advert.mask_key = {}; }), small_order());
  // Equal to site 3's, though it looks different.
  crypto::X25519PublicKey copied = ConsortiumBench(kCoordinatorFive, {}).site(3).advert().mask_key;
  copied.back() ^= 0x80;
  check_lost(with_keys([copied](Advert& advert) { advert.channel_key = copied; }), "advert: a key is used twice");
}

TEST_CASE("shares for another number of sites, and a wrong confirmation, cost their sender its place") {
  check_lost(lying<Shares>([](Shares& shares) {
               shares.commitments.pop_back();
               shares.boxes.pop_back();
             }),
             "found shares for 4 sites, expected 5");
  const auto wrong = lying<Confirmation>([](Confirmation& confirmation) { confirmation.signature[3] ^= std::byte{1}; });
  ConsortiumBench bench(kCoordinatorFive, wrong);
  bench.run_until(Drop::kConfirm);
  bench.send(4, *bench.deliver(4, bench.next<Survivors>(4)).value());  // the first, so the coordinator waits for it
  CHECK(bench.lost() == std::map<std::size_t, std::string>{{4, "the signature isn't that of site-004"}});
  bench.confirm();
  bench.unmask({4});
  REQUIRE(bench.coordinator().phase() == Phase::kUnmasked);
  CHECK(bench.coordinator().survivors().size() == 5);  // its vector is in the sum, and stays there
  CHECK(bench.unmasked_sum() == bench.plain_sum());
}

TEST_CASE("a share that isn't the one committed to is left out, and both ends are named") {
  BenchSetup setup;
  setup.to_coordinator = [](std::size_t site, SiteMessage& message) {
    if (auto* reveal = std::get_if<Reveal>(&message); reveal != nullptr && site == 0) reveal->shares[2][7] ^= 1;
  };
  ConsortiumBench bench(kCoordinatorFive, setup);
  bench.run();
  CHECK(bench.notes() ==
        std::vector<std::string>{
            "left out: the share of site-002 that site-000 revealed isn't the one that site-002 committed to"});
  REQUIRE(bench.coordinator().phase() == Phase::kUnmasked);
  CHECK(bench.unmasked_sum() == bench.plain_sum());

  ConsortiumBench four(kCoordinatorFive, setup);  // without site 4 there are just enough shares
  four.run({Drop::kNever, Drop::kNever, Drop::kNever, Drop::kNever, Drop::kUnmask});
  REQUIRE(four.coordinator().phase() == Phase::kFailed);
  CHECK(four.coordinator().take_masks().empty());
}

TEST_CASE("a reveal for another number of sites costs its sender its place") {
  BenchSetup setup;
  setup.to_coordinator = [](std::size_t site, SiteMessage& message) {
    if (auto* reveal = std::get_if<Reveal>(&message); reveal != nullptr && site == 0) reveal->shares.pop_back();
  };
  ConsortiumBench bench(kCoordinatorFive, setup);
  bench.run();
  CHECK(bench.lost() == std::map<std::size_t, std::string>{{0, "4 shares revealed, expected 5"}});
  CHECK(bench.coordinator().phase() == Phase::kUnmasked);
}

TEST_CASE("a seed that isn't the one committed to ends the attempt, names its site, and gives no masks") {
  Lie uploaded(true, false);
  uploaded.bench.coordinator().uploaded("site-004");
  uploaded.bench.upload({4});
  uploaded.bench.confirm({4});
  uploaded.bench.unmask({4});
  REQUIRE(uploaded.bench.coordinator().phase() == Phase::kFailed);
  CHECK(uploaded.bench.coordinator().failure().message == "the seed of site-004 isn't the one that it committed to");
  CHECK(uploaded.bench.coordinator().take_masks().empty());
}

TEST_CASE("a mask key that isn't the one advertised ends the attempt, names its site, and gives no masks") {
  Lie lie(false, true);
  lie.bench.upload({4});
  lie.bench.confirm({4});
  lie.bench.unmask({4});
  REQUIRE(lie.bench.coordinator().phase() == Phase::kFailed);
  CHECK(lie.bench.coordinator().failure().message == "the mask key of site-004 isn't the one that it advertised");
  CHECK(lie.bench.coordinator().take_masks().empty());

  Lie honest(false, false);  // the same steps without a lie
  honest.bench.upload({4});
  honest.bench.confirm({4});
  honest.bench.unmask({4});
  REQUIRE(honest.bench.coordinator().phase() == Phase::kUnmasked);
  CHECK(honest.bench.unmasked_sum() == honest.bench.plain_sum());
}

TEST_CASE("what is said twice, late, or by nobody of the cohort changes nothing") {
  ConsortiumBench bench(kCoordinatorFive, {});
  const auto unchanged = [&bench](const std::string& site, const SiteMessage& message) {
    const Phase phase = bench.coordinator().phase();
    const auto awaited = bench.coordinator().awaited();
    const Output output = bench.coordinator().receive(site, message);
    return output.messages.empty() && output.lost.empty() && output.notes.empty() &&
           bench.coordinator().phase() == phase && bench.coordinator().awaited() == awaited;
  };
  Advert second = bench.site(0).advert();
  bench.send(0, second);
  CHECK(unchanged("site-000", second));
  second.mask_key[0] ^= 1;
  CHECK(unchanged("site-000", second));
  CHECK(unchanged("stranger", second));
  CHECK(unchanged("stranger", Reveal{}));
  bench.advertise();
  CHECK(bench.coordinator().phase() == Phase::kSharing);
  CHECK(unchanged("site-000", second));
  bench.share();
  bench.upload();
  bench.coordinator().uploaded("site-000");
  CHECK(bench.coordinator().close_uploads().messages.empty());  // U3 is fixed, and isn't abandoned
  CHECK(bench.coordinator().phase() == Phase::kConfirming);
  bench.confirm();
  CHECK(unchanged("site-001", Confirmation{Signature(9)}));
  bench.unmask();
  CHECK(unchanged("site-001", Reveal{}));
  CHECK(unchanged("site-001", second));
  REQUIRE(bench.coordinator().phase() == Phase::kUnmasked);
  CHECK(bench.coordinator().close_uploads().messages.empty());
  CHECK(bench.coordinator().close_phase().lost.empty());
  CHECK(bench.coordinator().phase() == Phase::kUnmasked);
  CHECK(bench.unmasked_sum() == bench.plain_sum());
  CHECK(bench.coordinator().take_masks().empty());  // once
}

TEST_CASE("an answer to what wasn't asked yet costs its sender its place") {
  ConsortiumBench bench(kCoordinatorFive, {});
  bench.send(4, Reveal{{RevealedShare{}}});
  CHECK(bench.lost().at(4) == "unexpected reveal while advertising");
  CHECK_FALSE(bench.coordinator().awaited().contains("site-004"));
  bench.advertise({4});
  bench.send(3, Confirmation{Signature(9)});
  CHECK(bench.lost().at(3) == "unexpected confirmation while sharing");
}

TEST_CASE("each phase awaits those who still owe something, and is over when nobody does") {
  ConsortiumBench bench(kCoordinatorFive, {});
  const auto waiting = [&bench] { return bench.coordinator().awaited().size(); };
  CHECK(waiting() == 5);
  bench.send(0, bench.site(0).advert());
  CHECK(waiting() == 4);
  bench.advertise();
  CHECK(bench.coordinator().phase() == Phase::kSharing);
  CHECK(waiting() == 5);
  CHECK_FALSE(bench.coordinator().admits_upload("site-000"));
  bench.share({4});
  CHECK(bench.lost().at(4) == "no answer while sharing");
  CHECK(bench.coordinator().awaited() == std::set<std::string>{"site-000", "site-001", "site-002", "site-003"});
  CHECK(bench.coordinator().admits_upload("site-000"));
  CHECK_FALSE(bench.coordinator().admits_upload("site-004"));
  bench.coordinator().uploaded("site-004");  // it never shared, so its vector, if one arrived, isn't in the sum
  CHECK(waiting() == 4);
  CHECK(bench.coordinator().close_phase().lost.empty());  // this isn't the end of the uploads
  bench.upload();
  CHECK(bench.coordinator().survivors().size() == 4);
  CHECK_FALSE(bench.coordinator().admits_upload("site-000"));
}

TEST_CASE("a site that goes before masks are agreed on is left out of everything") {
  ConsortiumBench bench(kCoordinatorFive, {});
  for (std::size_t i = 0; i < 4; ++i) bench.send(i, bench.site(i).advert());
  bench.take(bench.coordinator().lose("site-000"));  // after its advert
  bench.send(4, bench.site(4).advert());
  REQUIRE(bench.coordinator().phase() == Phase::kSharing);
  CHECK(bench.coordinator().threshold() == 3);  // of four
  bench.send(4, *bench.deliver(4, bench.next<AdvertList>(4)).value());
  bench.take(bench.coordinator().lose("site-004"));  // after its shares
  bench.share();
  CHECK(bench.coordinator().awaited() == std::set<std::string>{"site-001", "site-002", "site-003"});
  CHECK(bench.next<Boxes>(1).boxes.size() == 2);
}

TEST_CASE("a sum of everybody or nobody ends with the first that is missing, before anything is confirmed") {
  BenchSetup setup;
  setup.everyone = true;
  const std::string why = "counts are summed over a whole group, and site-004 is missing";
  for (const Drop step : {Drop::kAdvertise, Drop::kShare, Drop::kUpload}) {
    const Drop never = Drop::kNever;
    ConsortiumBench bench(kCoordinatorFive, setup);
    bench.run({never, never, never, never, step});
    REQUIRE(bench.coordinator().phase() == Phase::kFailed);
    CHECK(bench.coordinator().failure().message == why);
    CHECK(bench.sent_of_kind(2) == 0);
    CHECK(bench.left().empty());
  }
  ConsortiumBench lost(kCoordinatorFive, setup);
  lost.run_until(Drop::kUpload);
  lost.take(lost.coordinator().lose("site-004"));
  CHECK(lost.coordinator().failure().message == why);

  ConsortiumBench late(kCoordinatorFive, setup);  // once all vectors have arrived, the rest is as in any sum
  late.run({Drop::kUnmask});
  REQUIRE(late.coordinator().phase() == Phase::kUnmasked);
  CHECK(late.unmasked_sum() == late.plain_sum());
}

TEST_CASE("a survivor that comes back is told again what it owes, until it has answered") {
  ConsortiumBench bench(kCoordinatorFive, {});
  CHECK(bench.coordinator().owed("site-000").empty());
  bench.run_until(Drop::kConfirm);
  const CoordinatorMessage survivors = bench.next<Survivors>(0);
  CHECK(bench.coordinator().owed("site-000") == std::vector<CoordinatorMessage>{survivors});
  CHECK(bench.coordinator().owed("stranger").empty());
  bench.send(0, *bench.deliver(0, survivors).value());
  CHECK(bench.coordinator().owed("site-000").empty());
  bench.confirm();
  const CoordinatorMessage request = bench.next<UnmaskRequest>(0);
  CHECK(bench.coordinator().owed("site-000") == std::vector<CoordinatorMessage>{survivors, request});
  bench.send(0, *bench.deliver(0, request).value());
  CHECK(bench.coordinator().owed("site-000").empty());
}

TEST_CASE(
    "uploads that are closed before keys are agreed on, and more sites than ranks, end the attempt with a reason") {
  ConsortiumBench bench(kCoordinatorFive, {});
  CHECK(bench.coordinator().close_uploads().messages.empty());
  CHECK(bench.coordinator().phase() == Phase::kFailed);
  CHECK(bench.coordinator().failure().message == "the uploads were closed while advertising");

  const QuickConsortium many(kMaxSites + 1);
  ConsortiumBench crowd(many, {});
  crowd.advertise();
  CHECK(crowd.coordinator().phase() == Phase::kFailed);
  CHECK(crowd.coordinator().failure().message == "256 sites advertised keys; at most 255 can take part");
}

}  // namespace consilium::secagg
