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

/// This site's vector of each sum over its group: sealed on the disk, and masked anew for each attempt. Every attempt
/// hides the same words once one of them has left. One thread makes and masks vectors; any may have them forgotten.
class GroupVectors {
 public:
  /// @param ledger,secret  outlive the object
  /// @param folder  of the vectors; made where it is missing, and emptied of what no sum needs any more
  static Result<GroupVectors> open(GroupLedger& ledger, const SiteSecret& secret, std::string site,
                                   const std::filesystem::path& folder);

  /// Has this site a vector of the sum already, so that it doesn't train anew? kDataLoss where one has left and is
  /// lost: the site then waits until the sum is committed without another one.
  Result<bool> has(const job::RoundOrder& order) const;
  /// Seals the vector of a sum that `write` gives to its argument.
  Result<void> seal(const job::RoundOrder& order, const std::function<Result<void>(const WordSink&)>& write);
  /// Masks the sealed vector of an attempt, with its tag behind it, and records what leaves.
  /// @param release  sum, group and attempt of it are set here
  Result<MaskedVector> mask(const job::RoundOrder& order, GroupMasks masks, Release release, unsigned threads);
  /// The attempt's masked vector is with the coordinator, or will never be.
  void forget_masked(const job::RoundOrder& order);
  /// A sum is committed: its vector isn't needed any more, nor are those of earlier rounds' evaluations, which are
  /// never committed themselves.
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
  /// The vector that was sealed last, by this process.
  struct Last {
    std::mutex mutex;
    std::optional<Sealed> sealed;
  };
  [[nodiscard]] std::optional<crypto::Digest> sealed_of(const SumId& sum) const;
  std::unique_ptr<Last> last_ = std::make_unique<Last>();
};

}  // namespace consilium::masking
