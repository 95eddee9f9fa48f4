#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/round_order.h"

namespace consilium::masking {

/// What a site must remember across crashes: which attempts it has begun, which survivors it has confirmed, and what it
/// has sent. Without it, a coordinator could ask for a second sum over other sites and subtract. Each change is on disk
/// before its call returns. The file holds no secret, but doesn't belong in backups, because an older state would allow
/// what the newer one refuses. Thread-safe, move-only; only one process may use a folder.
///
/// Errors of all calls: kDataLoss if the file is damaged (the message says what to do), kResourceExhausted if the disk
/// is full.
class Ledger {
 public:
  /// Opens or creates `folder`/masking.db and `folder`/vectors (0600, 0700). Removes vectors that belong to no session.
  /// kDataLoss if the file is damaged, or missing while `vectors` still exists; kFailedPrecondition if another process
  /// has it open.
  static Result<Ledger> open(const std::filesystem::path& folder);
  Ledger(Ledger&&) noexcept;
  Ledger& operator=(Ledger&&) noexcept;
  ~Ledger();

  /// Records that the site takes part in this attempt. Call it before the site's first message. kPermissionDenied
  /// unless the attempt is higher than the last one for its job, kind and round, and the site has confirmed no attempt
  /// for them.
  Result<void> begin_attempt(const job::SessionKey& key);

  /// The sites whose vectors are in a sum, as a site is about to sign them.
  struct SurvivorList {
    job::SessionKey key;
    crypto::Digest model{};              ///< of the round order; in a census the job's digest
    std::string dataset;                 ///< as the job names it
    std::vector<std::string> survivors;  ///< in any order
  };
  /// Records the list that the site signs. The same list may be recorded again. kPermissionDenied unless it is the only
  /// list ever for its job, kind and round, belongs to the attempt begun last, and is the only list for its kind, model
  /// and data set in all jobs. The last rule exists because two sums over the same model differ by the contributions of
  /// the sites that are in only one of the lists. It also covers a census of the same job under another id.
  /// @param allow_changed  lifts the last rule (policy.yaml: allow_changed_cohort)
  Result<void> confirm(const SurvivorList& list, bool allow_changed);
  /// Returns true if an attempt of this round has been confirmed, so that no other may begin. Also returns true if the
  /// file can't be read.
  [[nodiscard]] bool confirmed(const std::string& job_id, job::SumKind kind, std::uint32_t round) const;

  /// Records the exact answer to a request before it is sent, so that a repeated request gets the same bytes and the
  /// answer is never computed again. kPermissionDenied if another answer is recorded.
  /// @param request  SHA-256 of the coordinator's message
  Result<void> keep_reply(const job::SessionKey& key, const crypto::Digest& request, std::span<const std::byte> reply);
  Result<std::optional<std::vector<std::byte>>> reply_to(const job::SessionKey& key,
                                                         const crypto::Digest& request) const;

  /// Returns the path of a session's masked vector.
  [[nodiscard]] std::filesystem::path vector_file(const job::SessionKey& key) const;
  /// Records a masked vector's SHA-256 before its first byte is sent. kPermissionDenied if another one is recorded: two
  /// vectors under one mask would reveal their difference.
  Result<void> keep_vector(const job::SessionKey& key, const crypto::Digest& digest);
  Result<std::optional<crypto::Digest>> kept_vector(const job::SessionKey& key) const;

  /// Records the members of this site's group in a job, from the census that the site helped to unmask. From then on,
  /// counts are summed over exactly these members, even if the job ends and is offered again. kPermissionDenied if
  /// other members are recorded.
  Result<void> set_members(const std::string& job_id, const std::vector<std::string>& members);
  /// Returns the members in order of name.
  Result<std::optional<std::vector<std::string>>> members(const std::string& job_id) const;

  /// Called when a session is over. Removes its vector and its replies. The records of begun attempts and confirmed
  /// lists stay for good.
  Result<void> forget_session(const job::SessionKey& key);
  /// Called when a job is over. Removes the vectors and replies of its sessions. Its members stay recorded: otherwise a
  /// coordinator could announce its end, offer it again, and obtain a second census with one site fewer.
  Result<void> forget_job(const std::string& job_id);

 private:
  struct Impl;
  explicit Ledger(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::masking
