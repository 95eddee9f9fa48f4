#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/approval/approvals.h"
#include "client/policy/policy.h"
#include "common/crypto/sha256.h"
#include "common/job/job_spec.h"
#include "common/pki/trust.h"
#include "common/roster/roster.h"
#include "common/wire/messages.h"

namespace consilium::approval {

/// What a site checks an offered job against. All of it can change between two offers.
struct SiteRules {
  const policy::Policy& policy;
  const roster::Roster& roster;
  const std::vector<std::string>& datasets;
  const std::map<std::string, std::string>& atlases;  ///< files by name
  const std::string& site;
  const crypto::Digest& key;  ///< SHA-256 of the site's own SubjectPublicKeyInfo
};

/// The site's answer to an offer.
struct Verdict {
  wire::JobConsent consent = wire::JobConsent::kDeclined;
  std::string reason;      ///< why the job is refused, for the coordinator: keys only, no values from the policy
  std::string log;         ///< text for the site's own log, values included
  std::string researcher;  ///< from the verified signature; "" if the signature isn't valid
  crypto::Digest digest{};
  job::JobSpec spec;  ///< set only if the job is accepted
};

/// Decides about offered jobs. Checks the researcher's signature first, then the policy, then what people decided. Used
/// by one thread.
class JobGate {
 public:
  struct Parts {
    Approvals& approvals;
    std::shared_ptr<const pki::TrustStore> trust;
    std::string consortium;
    std::function<std::int64_t()> now;  ///< seconds since 1970
    /// Checks the site's data sets against the populations in its roster before a job uses one of them
    /// (policy::DataRecord).
    std::function<Result<void>(const roster::Roster&, const std::string& dataset)> claim_data =
        [](const roster::Roster&, const std::string&) { return Result<void>(); };
    /// Returns how many sums a population has given according to the ledger of sums
    /// (masking::GroupLedger::sums_given()).
    std::function<Result<std::uint64_t>(const std::string& population)> sums_given = [](const std::string&) {
      return Result<std::uint64_t>(0);
    };
  };
  explicit JobGate(Parts parts) : parts_(std::move(parts)) {}

  /// Examines an offer. Repeats every check each time, because a certificate may have been revoked since the last
  /// offer. When this returns, an accepted job is bound to its id and counted in `maximum_sums`, and a waiting one is
  /// recorded for `consilium-client jobs`.
  /// @param coordinator  URI in the certificate of the coordinator that offers the job
  Verdict examine(const wire::JobOffer& offer, const std::string& coordinator, const SiteRules& rules);

  /// Records that a job is over. Removes its offer from the list if nobody decided about it, unless the same job is
  /// still offered under another id.
  Result<void> ended(const std::string& job_id);

 private:
  Result<std::string> signer_of(const wire::JobOffer& offer, const crypto::Digest& digest,
                                const std::string& coordinator, const SiteRules& rules) const;
  /// @param approval  why a person has to approve the job; "" if no approval is needed
  Verdict decide(const wire::JobOffer& offer, job::JobSpec spec, const SignedJob& job, const std::string& approval,
                 const SiteRules& rules);
  /// Binds an approved job to its id and counts its sums.
  Result<void> bind(const std::string& job_id, const job::JobSpec& spec, const SignedJob& job, const SiteRules& rules);

  Parts parts_;
  /// Offers that have waited since the client started, by id. Needed because `Approvals` keeps only a job's last id.
  std::map<std::string, Offer> waiting_;
};

/// Returns the population that a job's sums are counted in, whatever its mode: the one that the roster gives for its
/// data set, or the data set's own name if the roster gives none.
/// @param roster  nullptr: unknown
[[nodiscard]] std::string population_of(const job::JobSpec& job, const roster::Roster* roster);
/// Returns the names that sums over that population's data may have been counted under before it was in the roster.
[[nodiscard]] std::vector<std::string> names_before(const job::JobSpec& job, const roster::Roster* roster);

}  // namespace consilium::approval
