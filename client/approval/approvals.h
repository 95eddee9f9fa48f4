#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"

/// What people at a hospital decided about jobs, and under which id each job runs.
namespace consilium::approval {

/// A job as its researcher signed it: the digest names the job, the researcher says whose it is.
struct SignedJob {
  crypto::Digest digest{};
  std::string researcher;
  bool operator==(const SignedJob&) const = default;
};

/// A job that was offered, whose signature was good and which is within the policy's rules.
struct Offer {
  SignedJob job;
  std::string job_id;        ///< under which the site serves it, else under which it was offered last
  std::string spec;          ///< canonical text
  std::int64_t seen_at = 0;  ///< first offer, seconds since 1970
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
  std::string job_id;  ///< the only one under which the site serves it
  std::string population;
  std::uint64_t sums = 0;  ///< counted for good in the population
  bool operator==(const Accepted&) const = default;
};

/// What else is known of the sums that a population has given.
struct CountedBefore {
  std::vector<std::string> datasets{};  ///< under whose names sums were counted before the roster had populations
  std::uint64_t given = 0;              ///< that left by the ledger of sums, should this record have forgotten them
};

/// Most offers that may wait for a decision at once.
inline constexpr std::size_t kMaxWaitingOffers = 256;

/// Keeps offers, decisions and accepted jobs in `approvals.db`. What a call recorded is on the disk when it returns.
/// Thread-safe.
class Approvals {
 public:
  /// Opens or makes approvals.db. kDataLoss where it is damaged, kFailedPrecondition while another process has it open.
  static Result<std::unique_ptr<Approvals>> open(const std::filesystem::path& state_dir);
  ~Approvals();
  Approvals(const Approvals&) = delete;
  Approvals& operator=(const Approvals&) = delete;

  /// Records an offer. One that is known keeps when it was first seen, and takes the new id, unless the site serves the
  /// job under another one.
  /// kResourceExhausted where kMaxWaitingOffers wait already.
  Result<void> keep(const Offer& offer);
  Result<bool> has_seen(const SignedJob& job) const;
  /// Every offer on record, the first seen first.
  Result<std::vector<Offer>> offers() const;
  /// Removes the offers under a job id that nobody has decided about and that aren't accepted: the job is over.
  Result<void> withdraw(const std::string& job_id);

  /// Records a person's decision; a later one about the same job replaces it. Earlier ones stay on record.
  Result<void> decide(const Decision& decision);
  /// The last decision about a job of this researcher.
  Result<std::optional<Decision>> decision(const SignedJob& job) const;
  /// Every decision, in order.
  Result<std::vector<Decision>> decisions() const;

  /// Binds a job to its first id and counts its sums, once.
  /// @param maximum  sums that the population may give, over all jobs and researchers; none: any number
  /// kAlreadyExists where the digest has another id, or the id another digest; kResourceExhausted where the sums would
  /// exceed `maximum`. Accepting the same job again changes nothing.
  Result<void> accept(const Accepted& job, std::optional<std::uint64_t> maximum, const CountedBefore& before = {});
  Result<std::optional<Accepted>> accepted(const crypto::Digest& digest) const;
  Result<std::optional<Accepted>> accepted_as(const std::string& job_id) const;
  /// Sums counted in a population, at least those that are known to be given.
  Result<std::uint64_t> sums_of(const std::string& population, const CountedBefore& before = {}) const;

 private:
  struct Impl;
  explicit Approvals(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::approval
