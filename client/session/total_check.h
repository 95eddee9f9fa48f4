#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "client/masking/group_ledger.h"
#include "client/masking/job_keys.h"
#include "client/masking/masked_sessions.h"
#include "client/session/model_cache.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/parameters/parameter_manifest.h"
#include "common/wire/messages.h"

namespace consilium::session {

/// Checks totals of sums over whole groups (mode `masked`), makes the next model of them as the coordinator does, and
/// signs what follows. One thread at a time.
class TotalCheck {
 public:
  struct Parts {
    masking::SiteTrust trust;
    masking::GroupLedger& ledger;
    masking::JobKeys& keys;
    ModelCache models;
    /// Fetches a blob of so many bytes into a file, as CoordinatorLink::fetch().
    std::function<Result<void>(const crypto::Digest&, std::uint64_t, const std::filesystem::path&)> fetch;
    /// The model with this digest, where it lies in memory; else nothing.
    std::function<std::span<const float>(const crypto::Digest&)> in_memory;
    /// Takes the next model into that memory; false where there is no room for it.
    std::function<bool(const crypto::Digest&, std::span<const float>)> remember;
  };
  explicit TotalCheck(Parts parts) : parts_(std::move(parts)) {}

  /// Fetches a total and checks it: it is of enough of the job's groups, this site's own under its own attempt, no
  /// site's result was unusable, and the tags fit. Of a round, the next model then lies in memory or in the cache.
  /// @return a commit with this site's signature, encoded
  /// kDataLoss where the total isn't the true sum, kFailedPrecondition where a result was unusable, kPermissionDenied
  /// where the site may not sign it: the job is over for this site. kUnavailable where the total couldn't be fetched.
  Result<std::vector<std::byte>> endorse(const wire::GroupTotal& total, const job::JobSpec& job,
                                         const crypto::Digest& digest);

 private:
  Result<void> fetch(const crypto::Digest& digest, std::uint64_t bytes, const std::filesystem::path& file) const;
  Result<std::span<const float>> last_model(const job::JobSpec& job, const masking::SumId& sum, std::size_t parameters,
                                            ParameterVector& room) const;

  Parts parts_;
};

}  // namespace consilium::session
