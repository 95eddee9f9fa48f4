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

/// Checks totals of sums over whole groups (mode `masked`), computes the next model from them as the coordinator does,
/// and signs the outcome. One thread at a time.
class TotalCheck {
 public:
  struct Parts {
    masking::SiteTrust trust;
    masking::GroupLedger& ledger;
    masking::JobKeys& keys;
    ModelCache models;
    /// Fetches a blob of this size into a file, as CoordinatorLink::fetch() does.
    std::function<Result<void>(const crypto::Digest&, std::uint64_t, const std::filesystem::path&)> fetch;
    /// Returns the model with this digest if it is in memory; otherwise an empty span.
    std::function<std::span<const float>(const crypto::Digest&)> in_memory;
    /// Copies the next model into that memory. Returns false if it doesn't fit.
    std::function<bool(const crypto::Digest&, std::span<const float>)> remember;
  };
  explicit TotalCheck(Parts parts) : parts_(std::move(parts)) {}

  /// Fetches a total and checks it: it must include enough of the job's groups, and this site's own under its own
  /// attempt; no site's result may be unusable; and the tags must match. For a round of training, the next model is
  /// then in memory or in the cache.
  /// @return a commit with this site's signature, encoded
  /// kDataLoss if the total isn't the true sum, kFailedPrecondition if a result was unusable, kPermissionDenied if the
  /// site may not sign it: the job is over for this site. kUnavailable if the total couldn't be fetched.
  Result<std::vector<std::byte>> endorse(const wire::GroupTotal& total, const job::JobSpec& job,
                                         const crypto::Digest& digest);

 private:
  Result<void> fetch(const crypto::Digest& digest, std::uint64_t bytes, const std::filesystem::path& file) const;
  Result<std::span<const float>> last_model(const job::JobSpec& job, const masking::SumId& sum, std::size_t parameters,
                                            ParameterVector& room) const;

  Parts parts_;
};

}  // namespace consilium::session
