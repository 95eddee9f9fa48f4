#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "client/masking/group_ledger.h"
#include "client/masking/group_sessions.h"
#include "client/masking/masked_vector.h"
#include "client/masking/sealed_vector.h"
#include "client/masking/site_secret.h"
#include "common/error/error.h"
#include "common/job/round_order.h"

namespace consilium::masking {

/// This site's vector of each sum over its group: sealed on disk, and masked anew for each attempt. Once one attempt's
/// masked vector has been sent, every attempt hides the same words. Vectors are created and masked on one thread; any
/// thread can have them forgotten.
class GroupVectors {
 public:
  /// @param ledger,secret  must outlive the object
  /// @param folder  holds the vectors; created if it is missing. Masked vectors of an earlier run are removed from it
  static Result<GroupVectors> open(GroupLedger& ledger, const SiteSecret& secret, std::string site,
                                   const std::filesystem::path& folder);

  /// Returns true if this site has a vector of the sum already, so that it needn't train again. kDataLoss if one was
  /// sent and is now lost: the site then waits until the sum is committed, and sends no other vector.
  Result<bool> has(const job::RoundOrder& order) const;
  /// Seals the vector of a sum, which `write` passes to its argument.
  Result<void> seal(const job::RoundOrder& order, const std::function<Result<void>(const WordSink&)>& write);
  /// Masks the sealed vector for an attempt, appends its tag, and records what is sent.
  /// @param release  its sum, attempt, group index and cohort are filled in here
  Result<MaskedVector> mask(const job::RoundOrder& order, GroupMasks masks, Release release, unsigned threads);
  /// Called when the coordinator has the attempt's masked vector, or will never get it.
  void forget_masked(const job::RoundOrder& order);
  /// Called when a sum is committed. Removes its vector, and those of earlier rounds' evaluations, which are never
  /// committed themselves.
  void forget_committed(const SumId& sum);
  void forget_job(const crypto::Digest& job);

 private:
  GroupVectors(GroupLedger& ledger, const SiteSecret& secret, std::string site, std::filesystem::path folder)
      : ledger_(&ledger), secret_(&secret), site_(std::move(site)), folder_(std::move(folder)) {}
  [[nodiscard]] std::filesystem::path sealed_file(const SumId& sum) const;
  [[nodiscard]] std::filesystem::path masked_file(const job::RoundOrder& order) const;

  GroupLedger* ledger_;
  const SiteSecret* secret_;
  std::string site_;
  std::filesystem::path folder_;
  struct Sealed {
    SumId sum;
    crypto::Digest digest{};
  };
  /// The last vector that this process sealed.
  struct Last {
    std::mutex mutex;
    std::optional<Sealed> sealed;
  };
  [[nodiscard]] std::optional<crypto::Digest> sealed_of(const SumId& sum) const;
  std::unique_ptr<Last> last_ = std::make_unique<Last>();
};

}  // namespace consilium::masking
