#include "common/secagg/agreement_state.h"

#include <algorithm>

#include "common/secagg/agreement_transcript.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/agreement_bench.h"

namespace consilium::secagg {
namespace {

const QuickConsortium kSix(6);

AgreementBenchSetup two_group_setup() {
  AgreementBenchSetup setup;
  setup.groups = {3, 3};
  return setup;
}

Result<AgreementSite> restored(AgreementBench& bench, const std::vector<std::byte>& saved,
                               const crypto::SecretBytes& key, const AgreementSiteSetup& setup) {
  return AgreementSite::restore(saved, key, setup, kSix.authenticator(), kSix.signer(0), bench.random(0));
}

bool contains(const std::vector<std::byte>& bytes, std::span<const std::uint8_t> wanted) {
  const auto piece = std::as_bytes(wanted);
  return std::search(bytes.begin(), bytes.end(), piece.begin(), piece.end()) != bytes.end();
}

}  // namespace

TEST_CASE("sites that are restarted after every message agree all the same, complaints included") {
  AgreementBench bench(kSix, two_group_setup());
  bench.replace(4).seals = [](Rank to, PublishedNumber number) {
    if (to < 2) number[0] ^= 1;
    return number;
  };
  bench.replace(4).complains_of = {3};
  for (std::size_t site = 0; site < 6; ++site) bench.restart(site);
  bench.on_the_way = [&bench](std::size_t site, AgreementCoordinatorMessage message) {
    bench.restart(site);
    return std::optional(std::move(message));
  };
  bench.run();
  REQUIRE(bench.coordinator().phase() == AgreementPhase::kAgreed);
  CHECK(bench.published() == std::set<std::size_t>{3, 4});
  const auto key = bytes_of(*bench.site(0).key());
  for (const std::size_t site : {0UL, 1UL, 2UL, 3UL, 5UL}) {
    bench.restart(site);
    CHECK(bytes_of(*bench.site(site).key()) == key);
    CHECK(bench.site(site).confirmation() == bench.coordinator().confirmation());
    CHECK(bench.site(site).groups() == std::vector<std::uint32_t>{0, 1});
  }
}

TEST_CASE("a site set back to its first state says the same to the same list, and nothing of it to another") {
  AgreementBenchSetup setup;
  setup.groups = {3, 3};
  AgreementBench bench(kSix, setup);
  const auto saved = bench.site(0).sealed(bench.sealing_key()).value();
  bench.run([](const auto& message) { return std::holds_alternative<AgreementAdvertList>(message); });
  const auto list = bench.waiting<AgreementAdvertList>(0);
  auto other = list;
  other.adverts[5] = HandmadeSite(kSix, 5, bench.agreement(), 7).advert();
  const auto said = [&](const AgreementAdvertList& adverts) {
    auto site = restored(bench, saved, bench.sealing_key(), bench.setup_of(0)).value();
    return std::get<NumberBoxes>(site.receive(adverts).value());
  };
  CHECK(said(list) == said(list));
  CHECK(said(list).commitment != said(other).commitment);
  // The number differs too, not only the commitment. Otherwise its own bytes would fit both lists.
  const auto seed = crypto::SecretBytes::allocate(kSecretBytes).value();
  CHECK(bytes_of(own_number(seed, crypto::sha256("one list")).value()) !=
        bytes_of(own_number(seed, crypto::sha256("another")).value()));
}

TEST_CASE("a saved state opens under its own key, job, try, groups, colluders and site alone") {
  AgreementBench bench(kSix, two_group_setup());
  bench.run();
  const auto saved = bench.site(0).sealed(bench.sealing_key()).value();
  auto wrong_key = bench.sealing_key().clone().value();
  wrong_key.bytes()[0] ^= 1;
  CHECK(restored(bench, saved, bench.sealing_key(), bench.setup_of(0)));
  const auto refused = [&](const Result<AgreementSite>& site) {
    REQUIRE_FALSE(site);
    CHECK(site.error().code == ErrorCode::kUnauthenticated);
  };
  refused(restored(bench, saved, wrong_key, bench.setup_of(0)));
  const auto with_setup = [&](const auto& change) {
    auto setup = bench.setup_of(0);
    change(setup);
    refused(restored(bench, saved, bench.sealing_key(), setup));
  };
  with_setup([](auto& setup) { setup.agreement.job[0] ^= 1; });
  with_setup([](auto& setup) { ++setup.agreement.attempt; });
  with_setup([](auto& setup) { setup.agreement.groups.pop_back(); });
  with_setup([](auto& setup) { std::swap(setup.agreement.groups[0], setup.agreement.groups[1]); });
  with_setup([](auto& setup) { setup.site = "site-001"; });
  auto renewed = bench.setup_of(0);
  renewed.certificate = "a renewed one";
  CHECK(restored(bench, saved, bench.sealing_key(), renewed));
}

TEST_CASE("a saved state that was cut or changed anywhere is refused") {
  AgreementBench bench(kSix, two_group_setup());
  const auto saved = bench.site(0).sealed(bench.sealing_key()).value();
  for (std::size_t i = 0; i < saved.size(); ++i) {
    auto changed = saved;
    changed[i] ^= std::byte{1};
    CHECK_FALSE(restored(bench, changed, bench.sealing_key(), bench.setup_of(0)));
    changed = saved;
    changed.resize(i);
    CHECK_FALSE(restored(bench, changed, bench.sealing_key(), bench.setup_of(0)));
  }
  auto longer = saved;
  longer.push_back(std::byte{0});
  CHECK_FALSE(restored(bench, longer, bench.sealing_key(), bench.setup_of(0)));
}

TEST_CASE("a saved state shows no secret, and never the same bytes twice") {
  AgreementBench bench(kSix, two_group_setup());
  SeededRandom same(1000);  // the source of site 0: its box key, then its seed
  std::array<std::uint8_t, 32> box{};
  std::array<std::uint8_t, 32> seed{};
  need(same.fill(box));
  need(same.fill(seed));
  const auto first = bench.site(0).sealed(bench.sealing_key()).value();
  CHECK(first != bench.site(0).sealed(bench.sealing_key()).value());
  CHECK_FALSE(contains(first, box));
  CHECK_FALSE(contains(first, seed));
  CHECK(contains(first, bench.site(0).advert().box_key));  // so the search would find what it looks for
  auto secret = crypto::SecretBytes::copy_of(box).value();
  CHECK(crypto::X25519KeyPair::from_private(std::move(secret)).value().public_key() == bench.site(0).advert().box_key);
  bench.run();
  const auto last = bench.site(0).sealed(bench.sealing_key()).value();
  CHECK_FALSE(contains(last, bench.site(0).key()->bytes()));
}

}  // namespace consilium::secagg
