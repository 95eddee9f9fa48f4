#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"

/// The decisions that people at a hospital made about jobs, and the id that each job runs under.
namespace consilium::approval {

/// A job as its researcher signed it. The digest identifies the job, and the researcher is the person who signed it.
struct SignedJob {
  crypto::Digest digest{};
  std::string researcher;
  bool operator==(const SignedJob&) const = default;
};

/// An offered job with a valid signature that is within the policy's rules.
struct Offer {
  SignedJob job;
  /// The id that the site serves it under. Until it is served, the id that it was last offered under.
  std::string job_id;
  std::string spec;          ///< canonical text
  std::int64_t seen_at = 0;  ///< time of the first offer, seconds since 1970
  bool operator==(const Offer&) const = default;
};

struct Decision {
  SignedJob job;
  bool approved = false;
  std::string by;       ///< Unix user
  std::int64_t at = 0;  ///< seconds since 1970
  bool operator==(const Decision&) const = default;
};

/// A job that the site takes or took part in.
struct Accepted {
  crypto::Digest digest{};
  std::string job_id;  ///< the only id that the site serves it under
  std::string population;
  std::uint64_t sums = 0;  ///< permanently counted in the population
  bool operator==(const Accepted&) const = default;
};

/// What other records say about the sums that a population has given.
struct CountedBefore {
  std::vector<std::string> datasets{};  ///< names that its sums were counted under before the roster had populations
  std::uint64_t given = 0;              ///< the number in the ledger of sums, in case this record has lost some
};

/// Maximum number of offers that can wait for a decision at once.
inline constexpr std::size_t kMaxWaitingOffers = 256;

/// Stores offers, decisions and accepted jobs in `approvals.db`. Each call writes what it records to disk before it
/// returns. Thread-safe.
class Approvals {
 public:
  /// Opens or creates approvals.db. kDataLoss if it is damaged, kFailedPrecondition while another process has it open.
  static Result<std::unique_ptr<Approvals>> open(const std::filesystem::path& state_dir);
  ~Approvals();
  Approvals(const Approvals&) = delete;
  Approvals& operator=(const Approvals&) = delete;

  /// Records an offer. A known offer keeps the time when it was first seen and takes the new id, unless the site serves
  /// the job under another one.
  /// kResourceExhausted if kMaxWaitingOffers are waiting already.
  Result<void> keep(const Offer& offer);
  Result<bool> has_seen(const SignedJob& job) const;
  /// Returns every recorded offer, in the order in which they were first seen.
  Result<std::vector<Offer>> offers() const;
  /// Called when a job is over. Removes the offers under its id that nobody has decided about and that aren't accepted.
  Result<void> withdraw(const std::string& job_id);

  /// Records a person's decision. A later decision about the same job replaces it, but earlier ones stay on record.
  Result<void> decide(const Decision& decision);
  /// Returns the last decision about a job of this researcher.
  Result<std::optional<Decision>> decision(const SignedJob& job) const;
  /// Returns every decision, in the order in which they were made.
  Result<std::vector<Decision>> decisions() const;

  /// Binds a job to its first id and counts its sums, once. Accepting the same job again changes nothing.
  /// @param maximum  how many sums the population may give, over all jobs and researchers; nullopt: any number
  /// kAlreadyExists if the digest has another id, or the id another digest; kResourceExhausted if the sums would exceed
  /// `maximum`.
  Result<void> accept(const Accepted& job, std::optional<std::uint64_t> maximum, const CountedBefore& before = {});
  Result<std::optional<Accepted>> accepted(const crypto::Digest& digest) const;
  Result<std::optional<Accepted>> accepted_as(const std::string& job_id) const;
  /// Returns the number of sums counted in a population, or the number that it is known to have given if that is
  /// higher.
  Result<std::uint64_t> sums_of(const std::string& population, const CountedBefore& before = {}) const;

 private:
  struct Impl;
  explicit Approvals(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::approval
