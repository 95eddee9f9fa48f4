#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "client/masking/group_ledger.h"
#include "client/masking/job_keys.h"
#include "client/masking/masked_sessions.h"
#include "client/masking/site_secret.h"
#include "common/crypto/random_source.h"
#include "common/job/job_spec.h"
#include "common/pki/signer.h"
#include "common/secagg/agreement_site.h"
#include "common/secagg/authenticator.h"

namespace consilium::masking {

/// The agreements on job keys that this site takes part in. Their state is sealed and on disk before an answer is sent,
/// so an agreement survives restarts. One thread at a time.
class Agreements {
 public:
  /// @param ledger,keys,secret  must outlive the object
  /// @param folder  holds the sealed states; created by JobKeys::open()
  Agreements(SiteTrust trust, GroupLedger& ledger, JobKeys& keys, const SiteSecret& secret,
             std::filesystem::path folder)
      : trust_(std::move(trust)), ledger_(ledger), keys_(keys), secret_(secret), folder_(std::move(folder)) {}

  /// Begins a try, or resumes it after a restart.
  /// @return the advert's bytes
  /// kPermissionDenied if the job's census is committed (its key is then final), if a later try has begun, or if this
  /// try was given up.
  Result<std::vector<std::byte>> begin(const job::JobSpec& job, const crypto::Digest& digest, std::uint32_t attempt);
  /// Processes a message of a try. Once the site has the key, JobKeys stores it. An error ends the try for good: its
  /// secrets are destroyed, and it can't be begun again even after a restart. kPermissionDenied if the job's census is
  /// committed by now.
  /// @return the answer's bytes; empty if there is no answer
  Result<std::vector<std::byte>> receive(const crypto::Digest& digest, std::uint32_t attempt,
                                         std::span<const std::byte> message);
  /// Called when the job is over for this site. If the job is offered again, the sites need a new try, because this
  /// site would give different answers in the old one.
  void end(const crypto::Digest& digest);

 private:
  struct Try {
    std::uint32_t attempt = 0;
    std::unique_ptr<secagg::Authenticator> authenticator;
    std::unique_ptr<pki::Signer> signer;
    std::optional<secagg::AgreementSite> site;  ///< uses both
  };
  Result<Try> start(const job::JobSpec& job, const crypto::Digest& digest, std::uint32_t attempt);
  Result<std::vector<std::byte>> answer(const crypto::Digest& digest, Try& one, std::span<const std::byte> message);
  /// Fails if the job's key is final.
  Result<void> check_open(const crypto::Digest& digest) const;
  Result<void> save(const crypto::Digest& digest, const Try& one) const;
  /// Records only that a try was begun, and nothing that would allow it to continue.
  Result<void> give_up(const crypto::Digest& digest, std::uint32_t attempt) const;
  [[nodiscard]] std::filesystem::path file_of(const crypto::Digest& digest) const;

  SiteTrust trust_;
  GroupLedger& ledger_;
  JobKeys& keys_;
  const SiteSecret& secret_;
  std::filesystem::path folder_;
  crypto::SystemRandom random_;
  std::map<crypto::Digest, Try> tries_;
};

}  // namespace consilium::masking
