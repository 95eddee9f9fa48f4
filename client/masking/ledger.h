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

/// What a site must not forget, whatever crashes: which attempts it has begun, which survivors it has confirmed, and
/// what it has sent. Without this a coordinator could ask again for another sum, and subtract. Each change is on the
/// disk before its call returns. No secret is in it, but it doesn't belong in backups: an older state would allow what
/// the newer one refuses. Thread-safe, move-only; one process a folder.
///
/// Errors of all calls: kDataLoss where the file is damaged (the message says what to do), kResourceExhausted where the
/// disk is full.
class Ledger {
 public:
  /// Opens `folder`/masking.db and `folder`/vectors, or makes them (0600, 0700); removes vectors that no session has.
  /// kDataLoss for a damaged file, and for a missing one whose `vectors` is still there; kFailedPrecondition where
  /// another process has it open.
  static Result<Ledger> open(const std::filesystem::path& folder);
  Ledger(Ledger&&) noexcept;
  Ledger& operator=(Ledger&&) noexcept;
  ~Ledger();

  /// Records that the site takes part in this attempt, from before its first message. kPermissionDenied unless it is
  /// higher than the last one of its job, kind and round, and unless no attempt of these has been confirmed.
  Result<void> begin_attempt(const job::SessionKey& key);

  /// Whose vectors are in a sum, as a site is about to sign it.
  struct SurvivorList {
    job::SessionKey key;
    crypto::Digest model{};              ///< of the round order; in a census the job's digest
    std::string dataset;                 ///< as the job names it
    std::vector<std::string> survivors;  ///< in any order
  };
  /// Records the list that the site signs. kPermissionDenied unless it is the only one ever of its job, kind and round,
  /// in the attempt begun last, and the only one of its kind, model and data set in all jobs: two lists over the same
  /// model differ by what the sites that are in one of them contributed. The same list again is fine.
  /// A census of the same job under another id falls under the rule too.
  /// @param allow_changed  lifts the last rule (policy.yaml: allow_changed_cohort)
  Result<void> confirm(const SurvivorList& list, bool allow_changed);
  /// Has an attempt of this round been confirmed, so that no other may begin? True also where the file can't be read.
  [[nodiscard]] bool confirmed(const std::string& job_id, job::SumKind kind, std::uint32_t round) const;

  /// Records what is about to be answered to a request, word for word, so that it is sent again and never computed
  /// again. kPermissionDenied where another answer is kept.
  /// @param request  SHA-256 of the coordinator's message
  Result<void> keep_reply(const job::SessionKey& key, const crypto::Digest& request, std::span<const std::byte> reply);
  Result<std::optional<std::vector<std::byte>>> reply_to(const job::SessionKey& key,
                                                         const crypto::Digest& request) const;

  /// Where the masked vector of a session lies.
  [[nodiscard]] std::filesystem::path vector_file(const job::SessionKey& key) const;
  /// Records a masked vector's SHA-256, before its first byte leaves. kPermissionDenied where another one is kept: two
  /// vectors under one mask would reveal their difference.
  Result<void> keep_vector(const job::SessionKey& key, const crypto::Digest& digest);
  Result<std::optional<crypto::Digest>> kept_vector(const job::SessionKey& key) const;

  /// Records who is in this site's group of a job, from the census that it helped to unmask: counts are summed over
  /// exactly these from then on, also when the job is over and comes again. kPermissionDenied where it has other
  /// members.
  Result<void> set_members(const std::string& job_id, const std::vector<std::string>& members);
  /// In order of name.
  Result<std::optional<std::vector<std::string>>> members(const std::string& job_id) const;

  /// A session is over: its vector and its replies go. What was begun and confirmed stays for good.
  Result<void> forget_session(const job::SessionKey& key);
  /// A job is over: vectors and replies of its sessions go. Its members stay: a coordinator that says so and offers it
  /// once more could otherwise have a second census, of one site fewer.
  Result<void> forget_job(const std::string& job_id);

 private:
  struct Impl;
  explicit Ledger(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::masking
