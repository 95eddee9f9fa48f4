#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/report/job_status.h"
#include "common/sqlite/database.h"

namespace consilium::store {

/// A job as it is kept across restarts of the coordinator.
struct JobRecord {
  std::string researcher;              ///< the person who submitted it
  std::string spec_text;               ///< canonical
  crypto::Digest initial_model{};      ///< the model that the job starts from
  report::JobStatus status;            ///< as researchers saw it last; names the job
  bool ended = false;                  ///< false: the job was at work when the record was last written
  std::optional<crypto::Digest> kept;  ///< the model that fetch gives, a blob of the coordinator's store
  bool operator==(const JobRecord&) const = default;
};

/// Keeps the coordinator's jobs in an SQLite file: what researchers see of them, which outlives a restart. A change is
/// on the disk when its call returns. Thread-safe; only one process may use a file.
///
/// Errors of all calls: kDataLoss if the file is damaged (the message says what to do), kResourceExhausted if the disk
/// is full.
class JobStore {
 public:
  /// Opens or creates the file. kFailedPrecondition if another process has it open, or if a newer version wrote it.
  static Result<std::unique_ptr<JobStore>> open(const std::filesystem::path& file);

  /// Returns every job in the order of its submission.
  Result<std::vector<JobRecord>> load() const;
  /// Adds a job, or replaces it. Of the history, only the rounds are written that the file doesn't have yet, so that a
  /// long job costs no more per round than a short one.
  Result<void> save(const JobRecord& record);
  /// Removes a job; does nothing if there is none of that id.
  Result<void> remove(const std::string& job_id);

 private:
  explicit JobStore(std::unique_ptr<sqlite::Database> database) : database_(std::move(database)) {}

  Result<void> save_rounds(const report::JobStatus& status);
  Result<report::History> load_rounds(const std::string& job_id) const;

  mutable std::mutex mutex_;
  std::unique_ptr<sqlite::Database> database_;
  std::map<std::string, report::History> written_;  ///< by job id: the rounds that the file has
};

}  // namespace consilium::store
