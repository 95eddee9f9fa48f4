#include "tests/unit/common/secagg/consortium.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "common/crypto/sha256.h"
#include "common/encoding/byte_writer.h"

namespace consilium::secagg {
namespace {

Signature quick_signature(const std::string& certificate, std::span<const std::byte> message) {
  encoding::ByteWriter out;
  out.prefixed<std::uint8_t>(std::string_view("a key that only this test knows"));
  out.prefixed<std::uint8_t>(std::string_view(certificate));
  out.bytes(message);
  const crypto::Digest digest = crypto::sha256(out.take());
  const auto bytes = std::as_bytes(std::span(digest));
  return {bytes.begin(), bytes.end()};
}

class QuickSigner final : public pki::Signer {
 public:
  explicit QuickSigner(std::string certificate) : certificate_(std::move(certificate)) {}
  Result<std::vector<std::byte>> sign(std::span<const std::byte> message) const override {
    return quick_signature(certificate_, message);
  }

 private:
  std::string certificate_;
};

class QuickAuthenticator final : public Authenticator {
 public:
  Result<void> check_certificate(const std::string& site, const std::string& certificate) const override {
    if (certificate == site) return {};
    return fail(ErrorCode::kUnauthenticated, "a certificate of " + certificate);
  }
  Result<void> verify(const std::string& certificate, std::span<const std::byte> message,
                      const Signature& signature) const override {
    if (signature == quick_signature(certificate, message)) return {};
    return fail(ErrorCode::kUnauthenticated, "the signature isn't that of " + certificate);
  }
};

}  // namespace

void need(const Result<void>& done) {
  if (!done) throw std::logic_error(done.error().message);
}

Result<void> SeededRandom::fill(std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    encoding::ByteWriter out;
    out.integer(seed_);
    out.integer(block_++);
    const crypto::Digest digest = crypto::sha256(out.take());
    const auto part = bytes.first(std::min(bytes.size(), digest.size()));
    std::copy_n(digest.begin(), part.size(), part.begin());
    bytes = bytes.subspan(part.size());
  }
  return {};
}

std::uint64_t SeededRandom::number() {
  std::array<std::uint8_t, 8> bytes{};
  need(fill(bytes));
  std::uint64_t number = 0;
  for (const std::uint8_t byte : bytes) number = number << 8 | byte;
  return number;
}

std::string Consortium::name(std::size_t site) { return fmt::format("site-{:03}", site); }

std::vector<std::string> Consortium::names() const {
  std::vector<std::string> names;
  for (std::size_t site = 0; site < size(); ++site) names.push_back(name(site));
  return names;
}

struct QuickConsortium::Parts {
  QuickAuthenticator authenticator;
  std::vector<QuickSigner> signers;
};

QuickConsortium::QuickConsortium(std::size_t sites) : parts_(std::make_unique<Parts>()) {
  for (std::size_t site = 0; site < sites; ++site) parts_->signers.emplace_back(name(site));
}
QuickConsortium::~QuickConsortium() = default;
std::size_t QuickConsortium::size() const { return parts_->signers.size(); }
const Authenticator& QuickConsortium::authenticator() const { return parts_->authenticator; }
const pki::Signer& QuickConsortium::signer(std::size_t site) const { return parts_->signers[site]; }
std::string QuickConsortium::certificate(std::size_t site) const { return name(site); }

}  // namespace consilium::secagg
