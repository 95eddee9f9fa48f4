#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/report/job_status.h"
#include "common/report/site_status.h"

namespace consilium::cli {

/// How to reach the coordinator as a researcher or an operator.
struct AdminConfig {
  std::string coordinator;  ///< "host:port"
  std::string server_name;  ///< the name in the coordinator's certificate, if it isn't the host
  std::string proxy;        ///< "http://host:port", or empty
  std::filesystem::path root, certificate, key, revocation_list;  ///< PEM files; the list may be empty
  std::filesystem::path
      list_memory{};  ///< folder that stores the newest list seen; empty: only this client remembers it
};

/// How long a submitted job is valid unless the researcher specifies another time.
inline constexpr std::chrono::seconds kSignatureValidity = std::chrono::days(7);

/// Sends the requests of a researcher or an operator to the coordinator. Every call blocks; calls that may take long
/// can be ended by a stop token. Thread-safe. Errors: the coordinator's own (kNotFound, kInvalidArgument, ...),
/// kUnavailable if it can't be reached, and kUnauthenticated if this client refuses its certificate.
class AdminClient {
 public:
  static Result<AdminClient> create(const AdminConfig& config);
  AdminClient(AdminClient&&) noexcept;
  AdminClient& operator=(AdminClient&&) noexcept;
  ~AdminClient();

  /// Uploads a blob (a job's initial weights: float32, little-endian, in the manifest's order) and returns its digest.
  Result<crypto::Digest> put_blob(const std::filesystem::path& file, std::stop_token stop = {});
  /// Signs a job with the researcher's key for this coordinator, submits it, and returns the job's id.
  /// @param initial_weights  file that is uploaded first; the spec names its digest
  /// @param valid_for        how long the job may still be offered to sites that haven't seen it
  Result<std::string> submit(const job::JobSpec& spec,
                             const std::optional<std::filesystem::path>& initial_weights = std::nullopt,
                             std::chrono::seconds valid_for = kSignatureValidity, std::stop_token stop = {});
  /// Returns every job, with only the last round of its history (watch() gives all of it). For jobs that the researcher
  /// may not read, it returns only id, researcher, name, phase, round and rounds. For an operator, no job has a
  /// history, a model or a number of examples.
  Result<std::vector<report::JobStatus>> jobs();
  /// Calls back with the job's status, immediately and after every change. Returns when the job has ended, when the
  /// stop token requests it (kCancelled), or when the connection breaks.
  Result<void> watch(const std::string& job_id, const std::function<void(const report::JobStatus&)>& changed,
                     std::stop_token stop = {});
  /// Returns the job's current status, with its whole history.
  Result<report::JobStatus> status(const std::string& job_id);
  /// Returns the canonical text of a job's spec.
  Result<std::string> spec(const std::string& job_id);
  Result<void> stop(const std::string& job_id);
  /// Removes an ended job from the coordinator's list and releases its model.
  Result<void> remove(const std::string& job_id);
  Result<std::vector<report::SiteStatus>> sites();
  /// Downloads a global model's vector (float32, little-endian, in the manifest's order). If `file` exists and is
  /// shorter, the download continues at its end.
  Result<void> fetch_model(const crypto::Digest& digest, const std::filesystem::path& file, std::stop_token stop = {});

 private:
  class Impl;
  explicit AdminClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::cli
