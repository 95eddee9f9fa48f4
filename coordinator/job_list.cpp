#include "coordinator/job_list.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

namespace consilium::coordinator {

using admission::Access;

void JobList::add(const admission::Parties& parties, std::string spec_text, const crypto::Digest& initial_model,
                  report::JobStatus status) {
  const std::lock_guard lock(mutex_);
  order_.push_back(parties.job_id);
  auto shown = std::make_shared<const report::JobStatus>(std::move(status));
  entries_[parties.job_id] = {parties, std::move(spec_text), initial_model, 1, std::move(shown), false, std::nullopt};
}

void JobList::restore(const admission::Parties& parties, const store::JobRecord& record) {
  add(parties, record.spec_text, record.initial_model, record.status);
  ended(parties.job_id, record.kept);
}

void JobList::update(report::JobStatus status) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(status.job_id);
    if (found == entries_.end()) return;
    Entry& entry = found->second;
    status.researcher = entry.parties.researcher;
    status.submitted_seconds = entry.status->submitted_seconds;
    entry.status = std::make_shared<const report::JobStatus>(std::move(status));
    ++entry.version;
  }
  changed_.notify_all();
}

void JobList::ended(const std::string& job_id, const std::optional<crypto::Digest>& kept_model) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(job_id);
  if (found == entries_.end()) return;
  found->second.ended = true;
  found->second.kept_model = kept_model;
}

void JobList::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

std::vector<report::JobStatus> JobList::jobs(const pki::Identity& caller) const {
  const std::lock_guard lock(mutex_);
  std::vector<report::JobStatus> statuses;
  statuses.reserve(order_.size());
  for (const std::string& job_id : order_) {
    const Entry& entry = entries_.at(job_id);
    statuses.push_back(admission::visible_to(caller, entry.parties, *entry.status));
  }
  return statuses;
}

Result<const JobList::Entry*> JobList::find(const pki::Identity& caller, const std::string& job_id,
                                            Access access) const {
  const auto found = entries_.find(job_id);
  if (found == entries_.end()) {
    return fail(ErrorCode::kNotFound, fmt::format("no job '{}'; list the jobs with 'consilium jobs'", job_id));
  }
  CONSILIUM_TRY(admission::permit(caller, found->second.parties, access));
  return &found->second;
}

Result<JobList::Versioned> JobList::watch(const pki::Identity& caller, const std::string& job_id, std::uint64_t seen,
                                          std::chrono::milliseconds timeout) const {
  std::unique_lock lock(mutex_);
  CONSILIUM_TRY(find(caller, job_id, Access::kRead));
  changed_.wait_for(lock, timeout, [&] {
    const auto entry = entries_.find(job_id);
    return closed_ || entry == entries_.end() || entry->second.version > seen;
  });
  if (closed_) return fail(ErrorCode::kCancelled, "the coordinator is shutting down");
  CONSILIUM_ASSIGN(const Entry* entry, find(caller, job_id, Access::kRead));  // it may have been removed meanwhile
  return Versioned{entry->version, entry->status};
}

Result<std::string> JobList::spec(const pki::Identity& caller, const std::string& job_id) const {
  const std::lock_guard lock(mutex_);
  CONSILIUM_ASSIGN(const Entry* entry, find(caller, job_id, Access::kRead));
  return entry->spec_text;
}

Result<void> JobList::may_fetch(const pki::Identity& caller, const crypto::Digest& digest) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [job_id, entry] : entries_) {
    if (!admission::permit(caller, entry.parties, Access::kRead)) continue;
    const auto& history = entry.status->history;
    if (entry.initial_model == digest || entry.status->model == digest ||
        std::ranges::any_of(history, [&](const auto& record) { return record.model == digest; }))
      return {};
  }
  return fail(ErrorCode::kPermissionDenied,
              fmt::format("blob {} doesn't belong to a job that {} may read; ask the job's researcher for it "
                          "('consilium jobs' lists the researchers)",
                          crypto::to_hex(digest), caller.name));
}

Result<void> JobList::permit(const pki::Identity& caller, const std::string& job_id, Access access) const {
  const std::lock_guard lock(mutex_);
  CONSILIUM_TRY(find(caller, job_id, access));
  return {};
}

Result<std::optional<crypto::Digest>> JobList::remove(const pki::Identity& caller, const std::string& job_id) {
  std::optional<crypto::Digest> kept;
  {
    const std::lock_guard lock(mutex_);
    CONSILIUM_ASSIGN(const Entry* entry, find(caller, job_id, Access::kRemove));
    if (!entry->ended) {
      return fail(ErrorCode::kFailedPrecondition,
                  fmt::format("job '{0}' has not ended ({1}); end it first with: consilium stop {0}", job_id,
                              report::name_of(entry->status->phase)));
    }
    kept = entry->kept_model;
    entries_.erase(job_id);
    std::erase(order_, job_id);
  }
  changed_.notify_all();
  return kept;
}

}  // namespace consilium::coordinator
