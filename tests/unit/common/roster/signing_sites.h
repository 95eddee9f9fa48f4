#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/pki/authority.h"
#include "common/pki/signer.h"
#include "common/roster/consent.h"
#include "common/roster/succession.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::roster {

/// Sites with certificates of one authority. Their keys can sign.
class SigningSites {
 public:
  explicit SigningSites(const std::vector<std::string>& sites)
      : authority_(pki::Authority::create(folder_ / "ca", "lung", std::chrono::days(10)).value()) {
    for (const std::string& site : sites) {
      const std::filesystem::path key = folder_ / (site + ".key");
      const pki::Identity identity{"lung", pki::Role::kSite, site};
      const std::string request = pki::create_key_and_request(key, identity).value();
      certificates_[site] = authority_.sign(request, identity, {}, std::chrono::hours(24)).value();
      signers_[site] = pki::make_file_signer(key).value();
    }
  }

  [[nodiscard]] crypto::Digest key(const std::string& site) const {
    return crypto::digest_from_hex(pki::key_fingerprint(certificates_.at(site)).value()).value();
  }
  [[nodiscard]] std::map<std::string, crypto::Digest> keys(const std::vector<std::string>& sites) const {
    std::map<std::string, crypto::Digest> keys;
    for (const std::string& site : sites) keys[site] = key(site);
    return keys;
  }
  [[nodiscard]] Consent consent(const Roster& roster, const std::string& site,
                                ConsentKind kind = ConsentKind::kChange) const {
    return sign_consent(roster, "chest", kind, site, certificates_.at(site), *signers_.at(site)).value();
  }
  /// Signs the key of `successor` with the old key of `site`, which is here.
  [[nodiscard]] Succession succession(const std::string& site, const crypto::Digest& successor,
                                      std::uint64_t serial) const {
    return sign_succession("lung", site, serial, successor, certificates_.at(site), *signers_.at(site)).value();
  }
  [[nodiscard]] const std::string& certificate(const std::string& site) const { return certificates_.at(site); }
  [[nodiscard]] const pki::Signer& signer(const std::string& site) const { return *signers_.at(site); }

 private:
  pki::TemporaryFolder folder_;
  pki::Authority authority_;
  std::map<std::string, std::string> certificates_;
  std::map<std::string, std::unique_ptr<pki::Signer>> signers_;
};

}  // namespace consilium::roster
