#include "common/secagg/roster_authenticator.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "common/pki/authority.h"
#include "common/pki/signer.h"

namespace consilium::secagg {
namespace {

Result<void> require(bool holds, std::string why) {
  if (holds) return {};
  return fail(ErrorCode::kUnauthenticated, std::move(why));
}

}  // namespace

RosterAuthenticator::RosterAuthenticator(std::shared_ptr<const pki::TrustStore> trust,
                                         std::map<std::string, crypto::Digest> roster)
    : trust_(std::move(trust)), roster_(std::move(roster)) {}

Result<void> RosterAuthenticator::check_certificate(const std::string& site, const std::string& certificate) const {
  const auto entry = roster_.find(site);
  CONSILIUM_TRY(require(entry != roster_.end(), fmt::format("{} isn't on the roster", site)));
  CONSILIUM_TRY(trust_->authenticate(certificate, {pki::Role::kSite}));  // check: trust
  CONSILIUM_ASSIGN(const pki::Identity identity, pki::identity_of_certificate(certificate));
  CONSILIUM_TRY(require(identity.name == site, fmt::format("the certificate is that of {}, expected {}", identity.name,
                                                           site)));  // check: certificate-name
  const std::string expected = crypto::to_hex(entry->second);
  CONSILIUM_ASSIGN(const std::string key, pki::key_fingerprint(certificate));
  CONSILIUM_TRY(require(key == expected, fmt::format("the roster names another key for {}: expected {}, found {}", site,
                                                     expected, key)));  // check: roster-key
  return {};
}

Result<void> RosterAuthenticator::verify(const std::string& certificate, std::span<const std::byte> message,
                                         const Signature& signature) const {
  return pki::verify(certificate, message, signature);
}

}  // namespace consilium::secagg
