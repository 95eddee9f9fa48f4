#include "common/secagg/roster_authenticator.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "common/pki/authority.h"
#include "common/pki/signer.h"

namespace consilium::secagg {

RosterAuthenticator::RosterAuthenticator(std::shared_ptr<const pki::TrustStore> trust,
                                         std::map<std::string, crypto::Digest> roster)
    : trust_(std::move(trust)), roster_(std::move(roster)) {}

Result<void> RosterAuthenticator::check_certificate(const std::string& site, const std::string& certificate) const {
  const auto entry = roster_.find(site);
  if (entry == roster_.end()) return fail(ErrorCode::kUnauthenticated, fmt::format("{} isn't on the roster", site));
  CONSILIUM_ASSIGN(const pki::Identity identity,
                   trust_->authenticate(certificate, {pki::Role::kSite}));  // check: trust
  if (identity.name != site)
    return fail(ErrorCode::kUnauthenticated,
                fmt::format("the certificate is that of {}, expected {}", identity.name, site));
  CONSILIUM_ASSIGN(const std::string key, pki::key_fingerprint(certificate));
  if (key != crypto::to_hex(entry->second)) {
    return fail(ErrorCode::kUnauthenticated, fmt::format("the roster names another key for {}: expected {}, found {}",
                                                         site, crypto::to_hex(entry->second), key));
  }
  return {};
}

Result<void> RosterAuthenticator::verify(const std::string& certificate, std::span<const std::byte> message,
                                         const Signature& signature) const {
  return pki::verify(certificate, message, signature);
}

}  // namespace consilium::secagg
