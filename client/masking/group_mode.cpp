#include "client/masking/group_mode.h"

#include <utility>

#include "client/masking/commits.h"
#include "client/masking/ledger_file.h"

namespace consilium::masking {

Result<std::unique_ptr<GroupMode>> GroupMode::open(const std::filesystem::path& state_dir,
                                                   const std::filesystem::path& secret, const SiteTrust& trust) {
  CONSILIUM_ASSIGN(GroupLedger ledger, GroupLedger::open(state_dir));
  CONSILIUM_ASSIGN(SiteSecret bytes, SiteSecret::open(secret));
  std::unique_ptr<GroupMode> mode(new GroupMode(trust, std::move(ledger), std::move(bytes)));
  CONSILIUM_ASSIGN(JobKeys keys, JobKeys::open(state_dir / "keys", mode->secret_));
  mode->keys_.emplace(std::move(keys));
  CONSILIUM_ASSIGN(GroupVectors vectors,
                   GroupVectors::open(mode->ledger_, mode->secret_, trust.site, state_dir / "sums"));
  mode->vectors_ = std::move(vectors);
  mode->sessions_.emplace(trust, mode->ledger_, *mode->keys_);
  mode->agreements_.emplace(trust, mode->ledger_, *mode->keys_, mode->secret_, state_dir / "keys");
  return mode;
}

Result<std::vector<std::byte>> GroupMode::content_for(const std::string& member) const {
  CONSILIUM_ASSIGN(LedgerContent content, ledger_.content_for(member, trust_.site));
  CONSILIUM_ASSIGN(const std::vector<crypto::Digest> jobs, keys_->jobs());
  add_jobs(content, jobs);
  return encode(content);
}

Result<void> GroupMode::accept_commit(const job::JobSpec& job, const crypto::Digest& digest, const job::SessionKey& key,
                                      std::span<const std::byte> bytes) {
  CONSILIUM_TRY(masking::accept_commit(trust_, ledger_, job, digest, key, bytes));
  vectors_->forget_committed({digest, key.kind, key.round});  // check: sealed-forgotten
  return {};
}

void GroupMode::end_job(const std::string& job_id, const crypto::Digest& digest) {
  sessions_->end_job(job_id);
  agreements_->end(digest);
  vectors_->forget_job(digest);
}

}  // namespace consilium::masking
