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

/// The agreements on jobs' keys that this site takes part in. Their state is on the disk, sealed, before an answer
/// leaves, so that an agreement outlives restarts. One thread at a time.
class Agreements {
 public:
  /// @param ledger,keys,secret  outlive the object
  /// @param folder  of the sealed states; made by JobKeys::open()
  Agreements(SiteTrust trust, GroupLedger& ledger, JobKeys& keys, const SiteSecret& secret,
             std::filesystem::path folder)
      : trust_(std::move(trust)), ledger_(ledger), keys_(keys), secret_(secret), folder_(std::move(folder)) {}

  /// Begins a try, or goes on with it after a restart. @return the advert's bytes
  /// kPermissionDenied where the job's census is committed, so that its key stands for good, where a later try has
  /// begun, or where this one was given up.
  Result<std::vector<std::byte>> begin(const job::JobSpec& job, const crypto::Digest& digest, std::uint32_t attempt);
  /// Takes a message of a try; once the site has the key, JobKeys keeps it. An error ends the try for good: its secrets
  /// are gone, and it isn't begun again after a restart either. kPermissionDenied where the job's census is committed
  /// by now.
  /// @return the answer's bytes; empty for none
  Result<std::vector<std::byte>> receive(const crypto::Digest& digest, std::uint32_t attempt,
                                         std::span<const std::byte> message);
  /// The job is over for this site. Should it be offered again, the sites need a new try: this site would say something
  /// else in the old one.
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
  /// Refuses where the job's key stands for good.
  Result<void> check_open(const crypto::Digest& digest) const;
  Result<void> save(const crypto::Digest& digest, const Try& one) const;
  /// Leaves of a try that it was begun, and nothing with which it could go on.
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
