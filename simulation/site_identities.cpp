#include "simulation/site_identities.h"

#include <chrono>
#include <filesystem>
#include <span>
#include <utility>

#include "common/pki/authority.h"
#include "common/pki/trust.h"
#include "common/secagg/roster_authenticator.h"

namespace consilium::simulation {
namespace {

constexpr std::chrono::days kValidity{2};

/// Checks each site's certificate only once. All sites of a simulation check it against the same root, list and roster,
/// so 200 sites would otherwise check 200 certificates each. Signatures are verified every time.
class RememberingAuthenticator final : public secagg::Authenticator {
 public:
  explicit RememberingAuthenticator(secagg::RosterAuthenticator checks) : checks_(std::move(checks)) {}
  Result<void> check_certificate(const std::string& site, const std::string& certificate) const override {
    const auto passed = passed_.find(site);
    if (passed != passed_.end() && passed->second == certificate) return {};
    CONSILIUM_TRY(checks_.check_certificate(site, certificate));
    passed_[site] = certificate;
    return {};
  }
  Result<void> verify(const std::string& certificate, std::span<const std::byte> message,
                      const secagg::Signature& signature) const override {
    return checks_.verify(certificate, message, signature);
  }

 private:
  secagg::RosterAuthenticator checks_;
  mutable std::map<std::string, std::string> passed_;  ///< accepted certificates, by site
};

}  // namespace

Result<SiteIdentities> SiteIdentities::create(const std::vector<std::string>& sites) {
  CONSILIUM_ASSIGN(files::TemporaryFolder folder, files::TemporaryFolder::create("consilium-identities"));
  const std::filesystem::path root = folder.path();
  SiteIdentities made(std::move(folder));
  CONSILIUM_ASSIGN(pki::Authority authority, pki::Authority::create(root / "authority", "simulation", 2 * kValidity));
  for (const std::string& site : sites) {
    const pki::Identity identity{"simulation", pki::Role::kSite, site};
    const std::filesystem::path key = root / (site + ".key");
    CONSILIUM_ASSIGN(const std::string request, pki::create_key_and_request(key, identity));
    Identity& own = made.identities_[site];
    CONSILIUM_ASSIGN(own.certificate, authority.sign(request, identity, {}, kValidity));
    CONSILIUM_ASSIGN(own.signer, pki::make_file_signer(key));
    CONSILIUM_ASSIGN(const std::string fingerprint, pki::key_fingerprint(own.certificate));
    CONSILIUM_ASSIGN(made.roster_[site], crypto::digest_from_hex(fingerprint));
  }
  CONSILIUM_ASSIGN(auto trust, pki::TrustStore::open(authority.root_certificate(), authority.revocation_list()));
  made.authenticator_ =
      std::make_shared<RememberingAuthenticator>(secagg::RosterAuthenticator(std::move(trust), made.roster_));
  return made;
}

}  // namespace consilium::simulation
