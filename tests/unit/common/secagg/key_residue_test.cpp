#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "common/crypto/aead.h"
#include "common/crypto/hkdf.h"
#include "common/crypto/x25519.h"
#include "common/secagg/agreement_coordinator.h"
#include "common/secagg/agreement_site.h"
#include "common/secagg/agreement_transcript.h"
#include "common/secagg/group_site.h"
#include "common/secagg/mask.h"
#include "common/secagg/shamir.h"
#include "common/secagg/sum_keys.h"
#include "common/secagg/tag.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/consortium.h"

using namespace consilium::crypto;
using namespace consilium::secagg;

namespace {

using Bytes = std::vector<std::uint8_t>;

/// Stores values as their complements, so that it doesn't itself keep a copy of them in this process's memory.
class Wanted {
 public:
  void add(std::span<const std::uint8_t> secret) {
    for (std::size_t at = 0; at + kPiece <= secret.size(); at += kPiece) {
      Bytes piece(kPiece);
      for (std::size_t i = 0; i < kPiece; ++i) piece[i] = static_cast<std::uint8_t>(~secret[at + i]);
      pieces_.push_back(std::move(piece));
    }
  }

  /// Counts the values that are found in the writable memory of this process.
  [[nodiscard]] std::size_t found() const {
    const int memory = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    std::ifstream maps("/proc/self/maps");
    std::size_t count = 0;
    for (std::string line; std::getline(maps, line);) {
      std::uintptr_t begin = 0;
      std::uintptr_t end = 0;
      char dash = 0;
      std::string mode;
      std::istringstream(line) >> std::hex >> begin >> dash >> end >> mode;
      if (mode.starts_with("rw")) count += found_between(memory, begin, end);
    }
    ::close(memory);
    return count;
  }

 private:
  static constexpr std::size_t kPiece = 16;

  [[nodiscard]] std::size_t found_between(int memory, std::uintptr_t begin, std::uintptr_t end) const {
    constexpr std::size_t kStep = 65536;
    static std::array<std::uint8_t, kStep + kPiece - 1> window;
    std::size_t count = 0;
    for (std::uintptr_t at = begin; at < end; at += kStep) {
      const auto got = ::pread(memory, window.data(), std::min(window.size(), end - at), static_cast<off_t>(at));
      const std::size_t size = got > 0 ? static_cast<std::size_t>(got) : 0;
      for (auto& byte : std::span(window).first(size)) byte = static_cast<std::uint8_t>(~byte);
      for (const Bytes& piece : pieces_) count += ::memmem(window.data(), size, piece.data(), kPiece) != nullptr;
      window.fill(0);
    }
    return count;
  }

  std::vector<Bytes> pieces_;
};

/// Uses every primitive as a round does, and releases all keys.
Wanted use_every_primitive() {
  Wanted wanted;
  SystemRandom random;
  const auto here = X25519KeyPair::generate(random).value();
  const auto there = X25519KeyPair::generate(random).value();
  const auto agreed = here.agree(there.public_key()).value();
  const auto key = hkdf_sha256(agreed, {}, Bytes{1}, 32).value();
  const auto shares = split(here.private_key(), 2, 3, random).value();
  const auto box = seal(key, {}, {}, shares[0].bytes()).value();
  const auto opened = open(key, {}, {}, box).value();
  const ShareView enough[] = {{1, opened.bytes()}, {2, shares[1].bytes()}};
  const auto rebuilt = combine(enough).value();
  std::vector<MaskTerm> terms(1);
  terms[0].key = hkdf_sha256(agreed, {}, Bytes{2}, 32).value();
  std::vector<std::uint32_t> words(200'000);
  REQUIRE(add_masks(terms, 0, words, 2));
  const SecretBytes* const secrets[] = {&here.private_key(), &there.private_key(), &agreed,  &key,         &shares[0],
                                        &shares[1],          &shares[2],           &rebuilt, &terms[0].key};
  for (const SecretBytes* secret : secrets) wanted.add(secret->bytes());
  return wanted;
}

/// A source of random bytes that records its output.
class WatchedRandom final : public RandomSource {
 public:
  explicit WatchedRandom(Wanted& wanted) : wanted_(wanted) {}
  consilium::Result<void> fill(std::span<std::uint8_t> bytes) override {
    auto filled = SystemRandom().fill(bytes);
    wanted_.add(bytes);
    return filled;
  }

 private:
  Wanted& wanted_;
};

/// A member of a group of three. The test searches for the private key of its masks.
GroupSite start_member(const QuickConsortium& consortium, std::size_t site, Wanted& wanted) {
  WatchedRandom random(wanted);
  GroupSiteSetup setup;
  setup.site = QuickConsortium::name(site);
  setup.certificate = consortium.certificate(site);
  setup.members = consortium.names();
  setup.seen.resize(2);
  return GroupSite::start(std::move(setup), consortium.authenticator(), consortium.signer(site), random).value();
}

/// Tags and checks a vector as a round does. The test searches for K, r, s, and the first powers of r.
void use_tag_keys(Wanted& wanted) {
  SecretBytes key = SecretBytes::allocate(kSumKeyBytes).value();
  REQUIRE(SystemRandom().fill(key.bytes()));
  const auto r = tag_key(key, consilium::job::SumKind::kTrain, 1).value();
  GroupTag group{3, tag_offset(key, consilium::job::SumKind::kTrain, 1, 0, {}).value(), 0};
  const std::vector<std::uint32_t> words(200'000, 5);
  const FieldElement value = accumulate_tag(r, words, 2).value();
  REQUIRE(masked_tag(group.offset, value, 0));
  CHECK_FALSE(check_tag(value, std::span(&group, 1)));
  SecretBytes powers = SecretBytes::allocate(16).value();
  const FieldElement root = field_from(r.bytes().first<kFieldSecretBytes>());
  const FieldElement square = field_mul(root, root);
  std::memcpy(powers.bytes().data(), &root, sizeof(root));
  std::memcpy(powers.bytes().data() + sizeof(root), &square, sizeof(square));
  const SecretBytes* const secrets[] = {&key, &r, &group.offset, &powers};
  for (const SecretBytes* secret : secrets) wanted.add(secret->bytes());
}

/// Records the secrets that a site draws when it starts: its box key, and its number's seed.
class KeptRandom final : public RandomSource {
 public:
  consilium::Result<void> fill(std::span<std::uint8_t> bytes) override {
    CONSILIUM_TRY(system_.fill(bytes));
    if (kept_.size() < 2) kept_.push_back(SecretBytes::copy_of(bytes).value());
    return {};
  }
  [[nodiscard]] const std::vector<SecretBytes>& kept() const { return kept_; }

 private:
  SystemRandom system_;
  std::vector<SecretBytes> kept_;
};

/// Lets three sites agree on a key, each saved and restored after every message, and releases everything.
Wanted agree_on_a_key() {
  const QuickConsortium consortium(3);
  const AgreementSetup setup{sha256("a job"), 1, {consortium.names()}, 1};
  std::array<KeptRandom, 3> randoms;
  const auto sealing_key = hkdf_sha256(SecretBytes::allocate(32).value(), {}, Bytes{3}, 32).value();
  std::vector<AgreementSite> sites;
  const auto setup_of = [&](std::size_t i) {
    return AgreementSiteSetup{setup, Consortium::name(i), consortium.certificate(i)};
  };
  auto coordinator = AgreementCoordinator::start(setup, consortium.authenticator()).value();
  AgreementOutput output;
  for (std::size_t i = 0; i < 3; ++i) {
    sites.push_back(
        AgreementSite::start(setup_of(i), consortium.authenticator(), consortium.signer(i), randoms[i]).value());
    output = coordinator.receive(Consortium::name(i), sites[i].advert());
  }
  AgreementAdvertList list = std::get<AgreementAdvertList>(output.messages.at(0).message);
  while (!output.messages.empty()) {
    AgreementOutput next;
    for (const auto& [name, message] : output.messages) {
      const auto i = static_cast<std::size_t>(name.back() - '0');
      const auto answer = sites[i].receive(message).value();
      const auto saved = sites[i].sealed(sealing_key).value();
      sites[i] = AgreementSite::restore(saved, sealing_key, setup_of(i), consortium.authenticator(),
                                        consortium.signer(i), randoms[i])
                     .value();
      auto more = coordinator.receive(name, answer);
      std::ranges::move(more.messages, std::back_inserter(next.messages));
    }
    output = std::move(next);
  }
  Wanted wanted;
  wanted.add(sites[0].key()->bytes());
  wanted.add(sealing_key.bytes());
  const auto context = sites_context(agreement_context(setup.job, setup.attempt), list);
  for (const KeptRandom& random : randoms) {
    for (const SecretBytes& secret : random.kept()) wanted.add(secret.bytes());
    wanted.add(own_number(random.kept()[1], context).value().bytes());
  }
  return wanted;
}

}  // namespace

TEST_CASE("a group's private mask key is gone once the masks are agreed on, or the list is refused") {
  const QuickConsortium consortium(3);
  for (const bool good : {true, false}) {
    Wanted wanted;
    Wanted others;
    std::vector<GroupSite> sites;
    for (std::size_t site = 0; site < 3; ++site)
      sites.push_back(start_member(consortium, site, site == 0 ? wanted : others));
    CHECK(wanted.found() >= 2);
    GroupAdvertList list;
    for (const GroupSite& site : sites) list.adverts.push_back(site.advert());
    if (!good) list.adverts[1].signature[0] ^= std::byte{1};
    CHECK(sites[0].receive(list).has_value() == good);
    CHECK(wanted.found() == 0);
  }
}

TEST_CASE("a group's mask keys are gone once their masks are used, or a second list is refused") {
  const QuickConsortium consortium(3);
  for (const bool used : {true, false}) {
    Wanted privates;
    std::vector<GroupSite> sites;
    for (std::size_t site = 0; site < 3; ++site) sites.push_back(start_member(consortium, site, privates));
    GroupAdvertList list;
    for (const GroupSite& site : sites) list.adverts.push_back(site.advert());
    for (GroupSite& site : sites) REQUIRE(site.receive(list));
    Wanted wanted;
    {
      const auto masks = sites[1].take_masks().value();
      for (const MaskTerm& mask : masks) wanted.add(mask.key.bytes());
      std::vector<std::uint32_t> words(1000);
      REQUIRE(add_masks(masks, 0, words));
      REQUIRE(tag_mask(masks, words.size()));
    }
    CHECK(wanted.found() == 4);  // in the two sites that each share a mask with it
    for (const std::size_t site : {0, 2}) {
      if (used) {
        CHECK(sites[site].take_masks());
      } else {
        CHECK_FALSE(sites[site].receive(list));
      }
    }
    CHECK(wanted.found() == 0);
  }
}

TEST_CASE("the job's key, and what tags are made of, leave no copy") {
  Wanted wanted;
  use_tag_keys(wanted);
  CHECK(wanted.found() == 0);
}

TEST_CASE("once keys and shares are gone, no copy of them is left anywhere in memory") {
  const auto wanted = use_every_primitive();
  CHECK(wanted.found() == 0);
}

TEST_CASE("the search finds a key that somebody kept") {
  SystemRandom random;
  auto pair = X25519KeyPair::generate(random).value();
  Bytes kept(pair.private_key().bytes().begin(), pair.private_key().bytes().end());
  Wanted wanted;
  wanted.add(pair.private_key().bytes());
  CHECK(wanted.found() >= 4);  // in the pair, and in the kept one
  { const X25519KeyPair last = std::move(pair); }
  CHECK(wanted.found() == 2);
  std::ranges::fill(kept, std::uint8_t{0});
}

TEST_CASE("once an agreement is gone, no copy of its key, numbers, seeds and box keys is left anywhere in memory") {
  const auto wanted = agree_on_a_key();
  CHECK(wanted.found() == 0);
}
