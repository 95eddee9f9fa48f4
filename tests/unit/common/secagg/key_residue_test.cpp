#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
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
#include "common/secagg/mask.h"
#include "common/secagg/shamir.h"
#include "tests/unit/common/secagg/consortium.h"

using namespace consilium::crypto;
using namespace consilium::secagg;

namespace {

using Bytes = std::vector<std::uint8_t>;

/// Remembers values as their complements, so that the memory of this process holds no copy of them for its own sake.
class Wanted {
 public:
  void add(const SecretBytes& secret) {
    for (std::size_t at = 0; at + kPiece <= secret.size(); at += kPiece) {
      Bytes piece(kPiece);
      for (std::size_t i = 0; i < kPiece; ++i) piece[i] = static_cast<std::uint8_t>(~secret.bytes()[at + i]);
      pieces_.push_back(std::move(piece));
    }
  }

  /// Counts the pieces that are found in the writable memory of this process.
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

/// Uses every primitive as a round does, and lets all keys go.
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
  for (const SecretBytes* secret : secrets) wanted.add(*secret);
  return wanted;
}

/// Keeps the secrets that a site draws when it starts: its box key, and its number's seed.
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

/// Lets three sites agree on a key, each saved and restored after every message, and lets all of it go.
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
  wanted.add(*sites[0].key());
  wanted.add(sealing_key);
  const auto context = sites_context(agreement_context(setup.job, setup.attempt), list);
  for (const KeptRandom& random : randoms) {
    for (const SecretBytes& secret : random.kept()) wanted.add(secret);
    wanted.add(own_number(random.kept()[1], context).value());
  }
  return wanted;
}

}  // namespace

TEST_CASE("once keys and shares are gone, no copy of them is left anywhere in memory") {
  const auto wanted = use_every_primitive();
  CHECK(wanted.found() == 0);
}

TEST_CASE("the search finds a key that somebody kept") {
  SystemRandom random;
  auto pair = X25519KeyPair::generate(random).value();
  Bytes kept(pair.private_key().bytes().begin(), pair.private_key().bytes().end());
  Wanted wanted;
  wanted.add(pair.private_key());
  CHECK(wanted.found() >= 4);  // in the pair, and the one kept
  { const X25519KeyPair last = std::move(pair); }
  CHECK(wanted.found() == 2);
  std::ranges::fill(kept, std::uint8_t{0});
}

TEST_CASE("once an agreement is gone, no copy of its key, numbers, seeds and box keys is left anywhere in memory") {
  const auto wanted = agree_on_a_key();
  CHECK(wanted.found() == 0);
}
