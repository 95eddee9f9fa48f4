#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/error/error.h"
#include "common/files/temporary_folder.h"
#include "common/job/job_spec.h"
#include "common/pki/signer.h"
#include "common/secagg/authenticator.h"

namespace consilium::simulation {

/// A P-256 key and a certificate for each simulated site. A temporary authority issues them, in a folder that is
/// removed with the object. Not thread-safe.
class SiteIdentities {
 public:
  struct Identity {
    std::string certificate;  ///< PEM
    std::unique_ptr<pki::Signer> signer;
  };
  static Result<SiteIdentities> create(const std::vector<std::string>& sites);

  /// Returns the identity of one of the sites.
  [[nodiscard]] const Identity& of(const std::string& site) const { return identities_.at(site); }
  /// Returns the fingerprints of the sites' keys.
  [[nodiscard]] const job::Roster& roster() const { return roster_; }
  /// Returns an authenticator that accepts only these sites' signatures.
  [[nodiscard]] std::shared_ptr<const secagg::Authenticator> authenticator() const { return authenticator_; }

 private:
  explicit SiteIdentities(files::TemporaryFolder folder) : folder_(std::move(folder)) {}

  files::TemporaryFolder folder_;  ///< the trust store reads its files repeatedly, as in a daemon
  std::map<std::string, Identity> identities_;
  job::Roster roster_;
  std::shared_ptr<const secagg::Authenticator> authenticator_;
};

}  // namespace consilium::simulation
