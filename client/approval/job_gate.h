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

/// What a site holds an offered job against; all of it may change between two offers.
struct SiteRules {
  const policy::Policy& policy;
  const roster::Roster& roster;
  const std::vector<std::string>& datasets;
  const std::map<std::string, std::string>& atlases;  ///< files by name
  const std::string& site;
  const crypto::Digest& key;  ///< SHA-256 of the site's own SubjectPublicKeyInfo
};

/// What the site answers to an offer.
struct Verdict {
  wire::JobConsent consent = wire::JobConsent::kDeclined;
  std::string reason;      ///< of a refusal, for the coordinator: keys, no value of the policy
  std::string log;         ///< what the site's own log says, values included
  std::string researcher;  ///< from the verified signature; "" where it is not good
  crypto::Digest digest{};
  job::JobSpec spec;  ///< of a job that is accepted
};

/// Decides about offered jobs: first the researcher's signature, then the policy, then what people decided. Used by one
/// thread.
class JobGate {
 public:
  struct Parts {
    Approvals& approvals;
    std::shared_ptr<const pki::TrustStore> trust;
    std::string consortium;
    std::function<std::int64_t()> now;  ///< seconds since 1970
    /// Holds the site's data sets to the populations of its roster before a job on one of them (policy::DataRecord).
    std::function<Result<void>(const roster::Roster&, const std::string& dataset)> claim_data =
        [](const roster::Roster&, const std::string&) { return Result<void>(); };
    /// How many sums a population has given by the ledger of sums (masking::GroupLedger::sums_given()).
    std::function<Result<std::uint64_t>(const std::string& population)> sums_given = [](const std::string&) {
      return Result<std::uint64_t>(0);
    };
  };
  explicit JobGate(Parts parts) : parts_(std::move(parts)) {}

  /// Examines an offer, each time anew: a certificate may have been revoked since the last. An accepted job is bound to
  /// its id and counted in `maximum_sums` when this returns; one that waits is recorded for `consilium-client jobs`.
  /// @param coordinator  URI in the certificate of whoever offers the job
  Verdict examine(const wire::JobOffer& offer, const std::string& coordinator, const SiteRules& rules);

  /// Takes in that a job is over: an offer that nobody decided about leaves the list, unless the same job is offered
  /// under another id still.
  Result<void> ended(const std::string& job_id);

 private:
  Result<std::string> signer_of(const wire::JobOffer& offer, const crypto::Digest& digest,
                                const std::string& coordinator, const SiteRules& rules) const;
  /// @param approval  why a person has to approve the job; "" where nobody has to
  Verdict decide(const wire::JobOffer& offer, job::JobSpec spec, const SignedJob& job, const std::string& approval,
                 const SiteRules& rules);
  /// Binds an approved job to its id, and counts its sums.
  Result<void> bind(const std::string& job_id, const job::JobSpec& spec, const SignedJob& job, const SiteRules& rules);

  Parts parts_;
  /// Offers that wait, by id, since the client began: the record keeps a job's last id alone.
  std::map<std::string, Offer> waiting_;
};

/// The population that a job's sums are counted in, whatever its mode: that of the roster for its data set. The data
/// set's own name where the roster has none for it.
/// @param roster  nullptr: unknown
[[nodiscard]] std::string population_of(const job::JobSpec& job, const roster::Roster* roster);
/// The names under which sums over that population's data may have been counted before it was in the roster.
[[nodiscard]] std::vector<std::string> names_before(const job::JobSpec& job, const roster::Roster* roster);

}  // namespace consilium::approval
