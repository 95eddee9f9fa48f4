#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/crypto/random_source.h"
#include "common/pki/signer.h"
#include "common/secagg/authenticator.h"

namespace consilium::secagg {

/// Throws if a step failed that a test relies on.
void need(const Result<void>& done);

/// Random bytes that a seed repeats; SHA-256 in counter mode. For tests only.
class SeededRandom final : public crypto::RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) : seed_(seed) {}
  Result<void> fill(std::span<std::uint8_t> bytes) override;
  [[nodiscard]] std::uint64_t number();
  /// Returns a number from 0 to bound - 1. The tests' bounds are far below 2^64, so the bias is negligible.
  [[nodiscard]] std::size_t below(std::size_t bound) { return static_cast<std::size_t>(number() % bound); }

 private:
  std::uint64_t seed_;
  std::uint64_t block_ = 0;
};

/// The sites of a test, with their means of authentication. Names are "site-000", "site-001", ..., so a site's rank is
/// its number.
class Consortium {
 public:
  virtual ~Consortium() = default;
  [[nodiscard]] virtual std::size_t size() const = 0;
  [[nodiscard]] virtual const Authenticator& authenticator() const = 0;
  [[nodiscard]] virtual const pki::Signer& signer(std::size_t site) const = 0;
  [[nodiscard]] virtual std::string certificate(std::size_t site) const = 0;

  [[nodiscard]] static std::string name(std::size_t site);
  [[nodiscard]] std::vector<std::string> names() const;
};

/// Certificates are their sites' names. Signatures are SHA-256 over a key, the name and the message. This is all that
/// the protocol requires of signatures, but a thousand times faster. It is only for tests, where nobody else signs.
class QuickConsortium final : public Consortium {
 public:
  explicit QuickConsortium(std::size_t sites);
  ~QuickConsortium() override;
  [[nodiscard]] std::size_t size() const override;
  [[nodiscard]] const Authenticator& authenticator() const override;
  [[nodiscard]] const pki::Signer& signer(std::size_t site) const override;
  [[nodiscard]] std::string certificate(std::size_t site) const override;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace consilium::secagg
