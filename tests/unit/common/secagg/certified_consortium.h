#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/job/job_spec.h"
#include "common/pki/authority.h"
#include "common/secagg/roster_authenticator.h"
#include "tests/unit/common/pki/temporary_folder.h"
#include "tests/unit/common/secagg/consortium.h"

namespace consilium::secagg {

/// Sites with P-256 certificates of an authority in a temporary folder, on a roster of their keys, as in production.
class CertifiedConsortium final : public Consortium {
 public:
  explicit CertifiedConsortium(std::size_t sites);

  [[nodiscard]] std::size_t size() const override { return certificates_.size(); }
  [[nodiscard]] const Authenticator& authenticator() const override { return *authenticator_; }
  [[nodiscard]] const pki::Signer& signer(std::size_t site) const override { return *signers_[site]; }
  [[nodiscard]] std::string certificate(std::size_t site) const override { return certificates_[site]; }

  [[nodiscard]] pki::Authority& authority() { return authority_; }
  [[nodiscard]] const job::Roster& roster() const { return roster_; }
  [[nodiscard]] const std::shared_ptr<const pki::TrustStore>& trust() const { return trust_; }
  [[nodiscard]] RosterAuthenticator authenticator_with(job::Roster roster) const;
  /// Returns a request for a certificate of `name` with the key of `site`, or with a fresh key whose signer it also
  /// returns.
  [[nodiscard]] std::string request(std::size_t site) const { return requests_[site]; }
  /// Returns the private key's file.
  [[nodiscard]] const std::filesystem::path& key_file(std::size_t site) const { return key_files_[site]; }
  struct Fresh {
    std::filesystem::path key_file;
    std::string request;
    std::unique_ptr<pki::Signer> signer;
  };
  [[nodiscard]] Fresh fresh_key(const std::string& name);
  /// Lets this consortium's authority certify a request. `validity` can be negative.
  [[nodiscard]] std::string certify(const std::string& request, const std::string& name,
                                    std::chrono::seconds validity = std::chrono::hours{1});

 private:
  pki::TemporaryFolder folder_;
  pki::Authority authority_;
  std::vector<std::string> requests_;
  std::vector<std::string> certificates_;
  std::vector<std::filesystem::path> key_files_;
  std::vector<std::unique_ptr<pki::Signer>> signers_;
  job::Roster roster_;
  std::shared_ptr<const pki::TrustStore> trust_;
  std::unique_ptr<RosterAuthenticator> authenticator_;
  int fresh_keys_ = 0;
};

}  // namespace consilium::secagg
