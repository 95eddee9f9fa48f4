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

/// How a researcher or an operator reaches the coordinator.
struct AdminConfig {
  std::string coordinator;  ///< "host:port"
  std::string server_name;  ///< what its certificate is for, where that isn't the host
  std::string proxy;        ///< "http://host:port", or empty
  std::filesystem::path root, certificate, key, revocation_list;  ///< PEM files; the list may be empty
  std::filesystem::path list_memory{};  ///< folder that remembers the newest list seen; empty: this client alone
};

/// How long a submitted job is valid where the researcher says nothing else.
inline constexpr std::chrono::seconds kSignatureValidity = std::chrono::days(7);

/// What a researcher asks of the coordinator. Every call blocks; a stop token ends those that may take long.
/// Thread-safe. Errors: the coordinator's own (kNotFound, kInvalidArgument, ...), kUnavailable where it cannot be
/// reached, kUnauthenticated where its certificate is refused here.
class AdminClient {
 public:
  static Result<AdminClient> create(const AdminConfig& config);
  AdminClient(AdminClient&&) noexcept;
  AdminClient& operator=(AdminClient&&) noexcept;
  ~AdminClient();

  /// Puts a blob (a job's initial weights: float32, little-endian, in the manifest's order); returns its digest.
  Result<crypto::Digest> put_blob(const std::filesystem::path& file, std::stop_token stop = {});
  /// Signs a job with the researcher's key for this coordinator, and submits it; returns the job's id.
  /// @param initial_weights  file that is put first; its digest is the one that the spec names
  /// @param valid_for        how long sites that have not seen the job may still be offered it
  Result<std::string> submit(const job::JobSpec& spec,
                             const std::optional<std::filesystem::path>& initial_weights = std::nullopt,
                             std::chrono::seconds valid_for = kSignatureValidity, std::stop_token stop = {});
  /// Every job; of its history the last round only (watch() gives all of it). Of jobs that a researcher may not read:
  /// id, researcher, name, phase, round and rounds alone. An operator gets of every job no history, no model and no
  /// number of examples.
  Result<std::vector<report::JobStatus>> jobs();
  /// Calls back with the job's status, at once and after every change, until the job has ended, the stop token asks to
  /// end (kCancelled), or the connection breaks.
  Result<void> watch(const std::string& job_id, const std::function<void(const report::JobStatus&)>& changed,
                     std::stop_token stop = {});
  /// The job's status now, with its whole history.
  Result<report::JobStatus> status(const std::string& job_id);
  /// The canonical text of a job's spec.
  Result<std::string> spec(const std::string& job_id);
  Result<void> stop(const std::string& job_id);
  /// Takes an ended job off the coordinator's list, and releases its model.
  Result<void> remove(const std::string& job_id);
  Result<std::vector<report::SiteStatus>> sites();
  /// Fetches a global model's vector (float32, little-endian, in the manifest's order), going on where a shorter file
  /// ends.
  Result<void> fetch_model(const crypto::Digest& digest, const std::filesystem::path& file, std::stop_token stop = {});

 private:
  class Impl;
  explicit AdminClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::cli
