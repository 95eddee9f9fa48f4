#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/masking/agreements.h"
#include "client/masking/group_ledger.h"
#include "client/masking/group_sessions.h"
#include "client/masking/group_vectors.h"
#include "client/masking/job_keys.h"
#include "client/masking/site_secret.h"

namespace consilium::masking {

/// Everything that a site stores and does for jobs in mode `masked`. Its parts hold references to each other, so the
/// object can't be moved.
class GroupMode {
 public:
  /// @param state_dir  of the client
  /// @param secret     file of the site's secret bytes; created if it is missing
  static Result<std::unique_ptr<GroupMode>> open(const std::filesystem::path& state_dir,
                                                 const std::filesystem::path& secret, const SiteTrust& trust);
  GroupMode(const GroupMode&) = delete;
  GroupMode& operator=(const GroupMode&) = delete;

  [[nodiscard]] GroupLedger& ledger() { return ledger_; }
  [[nodiscard]] JobKeys& keys() { return *keys_; }
  [[nodiscard]] const SiteSecret& secret() const { return secret_; }
  [[nodiscard]] GroupVectors& vectors() { return *vectors_; }
  [[nodiscard]] GroupSessions& sessions() { return *sessions_; }
  [[nodiscard]] Agreements& agreements() { return *agreements_; }
  [[nodiscard]] const SiteTrust& trust() const { return trust_; }

  /// Returns what this site's ledger holds for another member, encoded (ledger_file.h). Thread-safe.
  Result<std::vector<std::byte>> content_for(const std::string& member) const;
  /// Accepts a commit (commits.h). Removes the sum's vector, which isn't needed any more.
  Result<void> accept_commit(const job::JobSpec& job, const crypto::Digest& digest, const job::SessionKey& key,
                             std::span<const std::byte> bytes);
  /// Called when a job is over. Removes its attempts and vectors. The ledger keeps the record of what the site has
  /// given, and the job's key is kept for good, so that a coordinator gains nothing by offering the job again.
  void end_job(const std::string& job_id, const crypto::Digest& digest);

 private:
  GroupMode(SiteTrust trust, GroupLedger ledger, SiteSecret secret)
      : trust_(std::move(trust)), ledger_(std::move(ledger)), secret_(std::move(secret)) {}

  SiteTrust trust_;
  GroupLedger ledger_;
  SiteSecret secret_;
  std::optional<JobKeys> keys_;
  std::optional<GroupVectors> vectors_;
  std::optional<GroupSessions> sessions_;
  std::optional<Agreements> agreements_;
};

}  // namespace consilium::masking
