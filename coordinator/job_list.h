#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/pki/identity.h"
#include "common/report/job_status.h"
#include "coordinator/admission/access.h"
#include "coordinator/service/coordination_service.h"
#include "coordinator/store/job_store.h"

namespace consilium::coordinator {

/// The coordinator's jobs as researchers see them, including ended ones. This class decides who may see what, by
/// admission::permit(). Thread-safe; readers never wait for the thread that owns the jobs.
class JobList {
 public:
  using Versioned = service::CoordinationHandler::Versioned;

  /// Adds a job at the end of the list.
  /// @param initial_model  the model that the job starts from
  void add(const admission::Parties& parties, std::string spec_text, const crypto::Digest& initial_model,
           report::JobStatus status);
  /// Replaces a job's status; all readers share this one copy. The researcher and the time of submission stay as they
  /// are. Does nothing if the job was removed.
  void update(report::JobStatus status);
  /// Adds a job of an earlier run of the coordinator, which has ended, at the end of the list.
  void restore(const admission::Parties& parties, const store::JobRecord& record);
  /// Records the model that an ended job keeps in the store.
  void ended(const std::string& job_id, const std::optional<crypto::Digest>& kept_model);
  /// Answers every waiting caller with kCancelled, now and from now on, because the coordinator is shutting down.
  void close();

  /// Returns every job in order of submission, each as far as the caller may see it (admission::visible_to()).
  [[nodiscard]] std::vector<report::JobStatus> jobs(const pki::Identity& caller) const;
  /// See CoordinationHandler::watch().
  Result<Versioned> watch(const pki::Identity& caller, const std::string& job_id, std::uint64_t seen,
                          std::chrono::milliseconds timeout) const;
  Result<std::string> spec(const pki::Identity& caller, const std::string& job_id) const;
  /// Checks that the blob is a model of a job that the caller may read. Otherwise fails with kPermissionDenied.
  Result<void> may_fetch(const pki::Identity& caller, const crypto::Digest& digest) const;
  /// Checks whether the caller may perform this operation on the job. Fails with kNotFound if there is no job with that
  /// id.
  Result<void> permit(const pki::Identity& caller, const std::string& job_id, admission::Access access) const;
  /// Removes an ended job from the list and returns the model that it kept; the caller is responsible for releasing it.
  /// Fails with kFailedPrecondition if the job hasn't ended.
  Result<std::optional<crypto::Digest>> remove(const pki::Identity& caller, const std::string& job_id);

 private:
  struct Entry {
    admission::Parties parties;
    std::string spec_text;
    crypto::Digest initial_model{};
    std::uint64_t version = 0;
    std::shared_ptr<const report::JobStatus> status;
    bool ended = false;
    std::optional<crypto::Digest> kept_model;
  };

  /// Returns the entry if it exists and the caller may perform this operation on it. The caller holds the mutex.
  Result<const Entry*> find(const pki::Identity& caller, const std::string& job_id, admission::Access access) const;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::map<std::string, Entry> entries_;
  std::vector<std::string> order_;
  bool closed_ = false;
};

}  // namespace consilium::coordinator
