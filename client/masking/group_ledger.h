#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "client/masking/ledger_content.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/round_order.h"
#include "common/secagg/group_messages.h"

namespace consilium::masking {

/// Identifies one sum of a job over this site's group, regardless of the attempt.
struct SumId {
  crypto::Digest job{};  ///< job_digest(), which doesn't depend on the coordinator's id for the job
  job::SumKind kind = job::SumKind::kCensus;
  std::uint32_t round = 0;
  bool operator==(const SumId&) const = default;
};
[[nodiscard]] SumId sum_of(const job::RoundOrder& order);

/// A masked vector that this site has sent.
struct Release {
  std::string population;
  SumId sum;
  std::uint32_t attempt = 0;
  std::string job_id, researcher;
  std::uint32_t group_index = 0;   ///< index in the job's groups
  std::vector<std::string> group;  ///< the group that is summed, names in order
  crypto::Digest cohort{};         ///< ctx2 of the attempt
  std::int64_t at = 0;             ///< seconds since 1970, UTC
  bool operator==(const Release&) const = default;
};

/// The contents of a site's data set when a job began there.
struct JobData {
  std::uint64_t train = 0, val = 0, test = 0;  ///< examples of each split
  crypto::Digest digest{};                     ///< of everything that the trainer counted, and the data set's name
  bool operator==(const JobData&) const = default;
};

class GroupRecords;

/// What a site must remember across crashes about sums over whole groups: the attempts and adverts that it has begun,
/// which vector belongs to each sum, what it has sent, and what it has seen of the other members. Each change is on
/// disk before its call returns. The file holds no secret. It doesn't belong in backups: an older state has forgotten
/// what the newer one refuses, and the other members' adverts would reveal that. Thread-safe, move-only; only one
/// process may use a folder.
///
/// Errors of all calls: kDataLoss if the file is damaged (the message says what to do), kResourceExhausted if the disk
/// is full.
class GroupLedger {
 public:
  /// Opens or creates `folder`/sums.db (mode 0600).
  static Result<GroupLedger> open(const std::filesystem::path& folder);
  GroupLedger(GroupLedger&&) noexcept;
  GroupLedger& operator=(GroupLedger&&) noexcept;
  ~GroupLedger();

  /// Returns the number of this site's next advert in a group, starting at 1.
  Result<std::uint64_t> next_advert(const std::vector<std::string>& group) const;
  /// Returns the latest advert that this site has seen of each other member, in order of name; number 0 if it has seen
  /// none.
  Result<std::vector<secagg::Seen>> seen(const std::vector<std::string>& group, const std::string& self) const;

  /// Records an attempt and its advert. Call it before the advert is sent. kPermissionDenied unless the attempt is
  /// higher than the last one of its sum, no later sum of the job has begun, and the advert's number is the next one.
  Result<void> begin(const SumId& sum, std::uint32_t attempt, const std::vector<std::string>& group,
                     const secagg::Seen& advert);
  /// Compares what the other members have seen of this site with its own adverts. kDataLoss if one of them has seen an
  /// advert that this ledger doesn't know: the ledger was then restored from a backup, or another machine runs under
  /// this site's name.
  Result<void> check_claims(const std::vector<std::string>& group, std::span<const secagg::Seen> claims) const;

  /// Records what the data set holds when a job begins at this site, before the job's first sum, and returns what is
  /// recorded. The first call fixes a job's data for good, whatever the data set holds later.
  Result<JobData> fix_data(const crypto::Digest& job, const JobData& now);

  /// Records that this ledger is behind what the members of a group have seen. begin() then refuses the group until
  /// adopt() is called.
  Result<void> set_back(const std::vector<std::string>& group, const std::string& reason);
  /// Returns what this site (`self`) can tell a member that has lost its ledger about the groups and jobs that they
  /// share. If `member` is this site itself, returns everything that it has.
  Result<LedgerContent> content_for(const std::string& member, const std::string& self) const;
  /// Adopts what the other members know (unite_ledgers()), all of it or nothing. The numbers of their adverts and what
  /// they have seen of this site never decrease. Every job known to them or to this ledger is closed to this site, and
  /// groups that were set back are open again.
  Result<void> adopt(const Adoption& adoption);

  /// Returns the SHA-256 of the vector that belongs to a sum, as soon as its first masked byte may have been sent.
  Result<std::optional<crypto::Digest>> vector_of(const SumId& sum) const;
  /// Records which vector a masked vector hides, the digest of the masked vector, and what this site has seen of the
  /// other members. Call it before the first byte is sent. kPermissionDenied if another vector belongs to the sum, if
  /// another masked vector belongs to the attempt, or if the sum has been closed or the job has ended for this site in
  /// the meantime.
  /// @param vector  SHA-256 of the vector that is hidden
  /// @param masked  SHA-256 of the masked vector
  /// @param others  as returned by GroupSite::others()
  Result<void> release(const Release& release, const crypto::Digest& vector, const crypto::Digest& masked,
                       const std::string& self, std::span<const secagg::Seen> others);

  /// Returns true if this site has released a vector of the sum in the attempt with this ctx2.
  Result<bool> released_under(const SumId& sum, const crypto::Digest& cohort) const;

  /// Records the only total that this site ever checks for a sum. Call it before the check. kPermissionDenied if
  /// another one is recorded.
  /// @param total  digest of the total and the groups' tags
  Result<void> try_total(const SumId& sum, const crypto::Digest& total);
  /// Records the only statement that this site ever signs about a sum. Call it before signing. kPermissionDenied if
  /// another one is recorded or committed.
  /// @param statement  SHA-256 of secagg::commit_bytes()
  Result<void> endorse(const SumId& sum, const crypto::Digest& statement);
  /// Records that a statement is committed. kPermissionDenied if this site signed another one, or if another one is
  /// committed: the job is then over for this site.
  /// @param groups  the job's groups that it includes, ascending
  Result<void> commit(const SumId& sum, const crypto::Digest& statement, const crypto::Digest& model,
                      std::span<const std::uint32_t> groups);
  /// Returns the job's groups that a committed sum includes, in ascending order.
  Result<std::optional<std::vector<std::uint32_t>>> committed_groups(const SumId& sum) const;
  /// Returns true if this sum or a later one of its job is committed. The site then gives nothing more to it.
  Result<bool> is_closed(const SumId& sum) const;
  /// Returns the model that a committed sum led to (for a census: its total).
  Result<std::optional<crypto::Digest>> committed_model(const SumId& sum) const;
  /// Records that this site's result for a sum can't be used. Nothing else reveals this: the site keeps taking part, so
  /// that nobody can infer from a refusal which site's result it was.
  Result<void> note_unusable(const SumId& sum);
  /// Checks that this site's results of the job up to this sum were usable. kInvalidArgument if one wasn't: the site
  /// then gives no later one either.
  Result<void> check_usable(const SumId& sum) const;
  /// Returns why this site takes no further part in a job; nullopt if it still takes part.
  Result<std::optional<std::string>> ended(const crypto::Digest& job) const;
  /// Records that this site takes no further part in a job, and why.
  Result<void> end_job(const crypto::Digest& job, const std::string& reason);

  /// Returns everything that was sent, oldest first.
  Result<std::vector<Release>> releases() const;
  /// Returns the number of sums of a population that this site has given vectors to. Several attempts at one sum count
  /// once.
  Result<std::uint64_t> sums_given(const std::string& population) const;
  /// Returns every group that this site has ever been summed with in a population. Changes of the roster are checked
  /// against these.
  Result<std::vector<std::vector<std::string>>> groups(const std::string& population) const;

 private:
  explicit GroupLedger(std::unique_ptr<GroupRecords> records);
  std::unique_ptr<GroupRecords> records_;
};

}  // namespace consilium::masking
