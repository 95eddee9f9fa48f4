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

/// One sum of a job over this site's group, whatever the attempt.
struct SumId {
  crypto::Digest job{};  ///< job_digest(): a job is the same whatever the coordinator calls it
  job::SumKind kind = job::SumKind::kCensus;
  std::uint32_t round = 0;
  bool operator==(const SumId&) const = default;
};
[[nodiscard]] SumId sum_of(const job::RoundOrder& order);

/// A masked vector that left this site.
struct Release {
  std::string population;
  SumId sum;
  std::uint32_t attempt = 0;
  std::string job_id, researcher;
  std::uint32_t group_index = 0;   ///< of the job's groups
  std::vector<std::string> group;  ///< whose sum it is, names in order
  crypto::Digest cohort{};         ///< ctx2 of the attempt
  std::int64_t at = 0;             ///< seconds since 1970, UTC
  bool operator==(const Release&) const = default;
};

/// What a site's data set held when a job began at the site.
struct JobData {
  std::uint64_t train = 0, val = 0, test = 0;  ///< examples of each split
  crypto::Digest digest{};                     ///< of all that the trainer counted, and the data set's name
  bool operator==(const JobData&) const = default;
};

class GroupRecords;

/// What a site must not forget about sums over whole groups, whatever crashes: the attempts and adverts that it has
/// begun, which vector belongs to each sum, what it has sent, and what it has seen of the other members. Each change is
/// on the disk before its call returns. No secret is in it. It doesn't belong in backups: an older state has forgotten
/// what the newer one refuses, and the other members' adverts show it. Thread-safe, move-only; one process a folder.
///
/// Errors of all calls: kDataLoss where the file is damaged (the message says what to do), kResourceExhausted where the
/// disk is full.
class GroupLedger {
 public:
  /// Opens `folder`/sums.db, or makes it (mode 0600).
  static Result<GroupLedger> open(const std::filesystem::path& folder);
  GroupLedger(GroupLedger&&) noexcept;
  GroupLedger& operator=(GroupLedger&&) noexcept;
  ~GroupLedger();

  /// The number of this site's next advert in a group, from 1.
  Result<std::uint64_t> next_advert(const std::vector<std::string>& group) const;
  /// What this site has seen of the other members, in order of name; number 0 where nothing.
  Result<std::vector<secagg::Seen>> seen(const std::vector<std::string>& group, const std::string& self) const;

  /// Records an attempt and its advert, from before the advert leaves. kPermissionDenied unless the attempt is higher
  /// than the last one of its sum, no later sum of the job has begun, and the advert's number is the next one.
  Result<void> begin(const SumId& sum, std::uint32_t attempt, const std::vector<std::string>& group,
                     const secagg::Seen& advert);
  /// Holds what the other members have seen of this site against its own adverts. kDataLoss where one of them has seen
  /// an advert that this ledger doesn't know: it was put back from a backup, or another machine runs under this name.
  Result<void> check_claims(const std::vector<std::string>& group, std::span<const secagg::Seen> claims) const;

  /// Records what the data set holds as a job begins at this site, before the job's first sum, and returns what is
  /// recorded: a job's data are fixed for good, whatever the data set holds later.
  Result<JobData> fix_data(const crypto::Digest& job, const JobData& now);

  /// Notes that this ledger is behind what the members of a group have seen: begin() refuses the group until adopt().
  Result<void> set_back(const std::vector<std::string>& group, const std::string& reason);
  /// What this site (`self`) can tell a member whose ledger was lost, about the groups and jobs that they share; asked
  /// for itself, all that it has.
  Result<LedgerContent> content_for(const std::string& member, const std::string& self) const;
  /// Takes in what the other members know (unite_ledgers()), all of it or nothing: their adverts' numbers and what they
  /// have seen of this site are never lowered, every job that is known to them or to this ledger is closed to this
  /// site, and groups that were set back are open again.
  Result<void> adopt(const Adoption& adoption);

  /// SHA-256 of the vector that belongs to a sum, once its first masked byte may have left.
  Result<std::optional<crypto::Digest>> vector_of(const SumId& sum) const;
  /// Records, before the first byte of a masked vector leaves, which vector it hides, its own digest, and what this
  /// site has seen of the other members. kPermissionDenied where another vector belongs to the sum, where another
  /// masked vector belongs to the attempt, and where the sum is closed or the job over for this site by now.
  /// @param vector  SHA-256 of the vector that is hidden
  /// @param masked  SHA-256 of what leaves
  /// @param others  as GroupSite::others()
  Result<void> release(const Release& release, const crypto::Digest& vector, const crypto::Digest& masked,
                       const std::string& self, std::span<const secagg::Seen> others);

  /// Has this site released a vector of the sum in the attempt with this ctx2?
  Result<bool> released_under(const SumId& sum, const crypto::Digest& cohort) const;

  /// Records the only total that this site ever checks for a sum, before it is checked. kPermissionDenied for another.
  /// @param total  digest of the total and the groups' tags
  Result<void> try_total(const SumId& sum, const crypto::Digest& total);
  /// Records the only statement that this site ever signs about a sum, before it is signed. kPermissionDenied for
  /// another, or where another one is committed.
  /// @param statement  SHA-256 of secagg::commit_bytes()
  Result<void> endorse(const SumId& sum, const crypto::Digest& statement);
  /// Records that a statement is committed. kPermissionDenied where this site signed another one, or where another one
  /// is committed: the job is over for this site then.
  /// @param groups  which of the job's groups are in it, ascending
  Result<void> commit(const SumId& sum, const crypto::Digest& statement, const crypto::Digest& model,
                      std::span<const std::uint32_t> groups);
  /// Which of the job's groups are in a committed sum, ascending.
  Result<std::optional<std::vector<std::uint32_t>>> committed_groups(const SumId& sum) const;
  /// Is this sum committed, or a later one of its job? Then nothing more is given to it.
  Result<bool> is_closed(const SumId& sum) const;
  /// The model that a committed sum led to (of a census: its total).
  Result<std::optional<crypto::Digest>> committed_model(const SumId& sum) const;
  /// Notes that this site's result of a sum can't be used. Nothing else shows it: the site goes on to take part, so
  /// that nobody can tell from a refusal whose result it was.
  Result<void> note_unusable(const SumId& sum);
  /// Checks that this site's results of the job up to this sum could be used. kInvalidArgument where one couldn't: then
  /// no later one is given either.
  Result<void> check_usable(const SumId& sum) const;
  /// Says why this site takes no further part in a job; nullopt where it does.
  Result<std::optional<std::string>> ended(const crypto::Digest& job) const;
  /// Notes that this site takes no further part in a job, and why.
  Result<void> end_job(const crypto::Digest& job, const std::string& reason);

  /// Everything that has left, oldest first.
  Result<std::vector<Release>> releases() const;
  /// How many sums of a population this site has given vectors to; attempts at one sum count once.
  Result<std::uint64_t> sums_given(const std::string& population) const;
  /// Every group that this site has ever been summed with in a population: what a change of the roster is held against.
  Result<std::vector<std::vector<std::string>>> groups(const std::string& population) const;

 private:
  explicit GroupLedger(std::unique_ptr<GroupRecords> records);
  std::unique_ptr<GroupRecords> records_;
};

}  // namespace consilium::masking
