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

namespace consilium::coordinator {

/// The coordinator's jobs as researchers see them, ended ones too: who may see what is decided here, by
/// admission::permit(). Thread-safe; readers never wait for the thread that owns the jobs.
class JobList {
 public:
  using Versioned = service::CoordinationHandler::Versioned;

  /// Adds a job at the end of the list.
  /// @param initial_model  that it starts from
  void add(const admission::Parties& parties, std::string spec_text, const crypto::Digest& initial_model,
           report::JobStatus status);
  /// Replaces a job's status, of which readers get this one copy; who submitted it and when stay as they are. Nothing
  /// happens where the job was removed.
  void update(report::JobStatus status);
  /// Notes the model that an ended job keeps in the store.
  void ended(const std::string& job_id, const std::optional<crypto::Digest>& kept_model);
  /// Answers everybody who waits, now and from now on, with kCancelled: the coordinator shuts down.
  void close();

  /// Every job in order of submission, each as far as the caller may see it (admission::visible_to()).
  [[nodiscard]] std::vector<report::JobStatus> jobs(const pki::Identity& caller) const;
  /// See CoordinationHandler::watch().
  Result<Versioned> watch(const pki::Identity& caller, const std::string& job_id, std::uint64_t seen,
                          std::chrono::milliseconds timeout) const;
  Result<std::string> spec(const pki::Identity& caller, const std::string& job_id) const;
  /// Is the blob a model of a job that the caller may read? kPermissionDenied where it is not.
  Result<void> may_fetch(const pki::Identity& caller, const crypto::Digest& digest) const;
  /// May the caller do that with the job? kNotFound where there is none of that id.
  Result<void> permit(const pki::Identity& caller, const std::string& job_id, admission::Access access) const;
  /// Takes an ended job off the list; returns the model that it kept, which the caller releases. kFailedPrecondition
  /// where it hasn't ended.
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

  /// The entry, if there is one and the caller may do that with it. The mutex is held.
  Result<const Entry*> find(const pki::Identity& caller, const std::string& job_id, admission::Access access) const;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::map<std::string, Entry> entries_;
  std::vector<std::string> order_;
  bool closed_ = false;
};

}  // namespace consilium::coordinator
