#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/session/local_tensors.h"
#include "client/trainer/protocol/messages.h"
#include "client/trainer_process/trainer_process.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/job/round_order.h"
#include "common/parameters/parameter_manifest.h"
#include "common/task/bootstrap.h"
#include "coordinator/journal/blob_store.h"

namespace consilium::simulation {

/// A simulated site: its name, and where its examples are stored.
struct SimulatedSite {
  std::string name;
  trainer::DataSource data;
  /// The file of its secret bytes (masking::SiteSecret); empty: derived from its name and the job's seed.
  std::filesystem::path secret{};
  bool operator==(const SimulatedSite&) const = default;
};

/// The data that all sessions of a job share.
struct JobContext {
  job::JobSpec spec;
  ParameterManifest manifest;
  std::string atlas{};  ///< the file of the job's atlas, the same for all sites
};

/// An evaluation outside any session, patient by patient.
struct PatientEvaluation {
  job::Split split = job::Split::kTest;
  std::vector<crypto::Digest> models;  ///< one model, or several whose mean prediction is evaluated
};

/// One site's part in one session, performed by any free worker.
struct Task {
  std::shared_ptr<const JobContext> job;
  SimulatedSite site;
  job::SessionKey key;
  job::RoundOrder order;
  std::optional<std::uint32_t> epochs;            ///< for a straggler: fewer than the order's, so its work is partial
  std::optional<PatientEvaluation> by_patient{};  ///< replaces the work that the order names
  /// For an evaluation: the job in which the site trained its own tensors (model.local); empty: the job of the key.
  std::string trained_in{};
};

/// The result of a task.
struct Answer {
  bool partial = false;                         ///< partial work that the order discards: no words
  std::vector<std::uint32_t> words;             ///< the site's vector, as a daemon would upload it
  std::string unusable{};                       ///< mode masked: why the vector marks the site's result as unusable
  std::vector<task::PatientCounts> patients{};  ///< for an evaluation by patient; no words then
};
struct Outcome {
  std::string site;
  job::SessionKey key;
  Result<Answer> answer;
};

/// Returns where a simulated site keeps the tensors that jobs leave to it, in a folder shared by all sites.
[[nodiscard]] session::LocalTensors local_tensors(const std::filesystem::path& folder, const std::string& site);
/// Returns the key that represents a job in that folder. Two runs of one job have different keys.
[[nodiscard]] crypto::Digest local_key(const std::string& job_id);

/// Trainer processes that perform sites' sessions one after another, so that any number of sites costs only the memory
/// of the workers. Each task gives the same result as at a separate site: workers don't differ, and keep only caches
/// between tasks.
class WorkerPool {
 public:
  /// @param workers  number of trainer processes, at least 1; each is started by its first task
  /// @param blobs    holds the global models; must outlive the pool
  /// @param local    folder for the tensors that jobs leave to the sites
  /// @param done     called on a worker's thread after each task that wasn't cancelled
  WorkerPool(unsigned workers, trainer::TrainerConfig trainer, const journal::BlobStore& blobs,
             std::filesystem::path local, std::function<void(Outcome)> done);
  ~WorkerPool();  ///< cancels running tasks and ends the trainers

  void post(Task task);
  /// Drops the site's task of a session, or stops it if it is running. `done` isn't called for it.
  void cancel(const std::string& site, const job::SessionKey& key);
  /// Returns the software version that the trainers report ("consilium-trainer 0.1.0, LibTorch 2.13.0"); empty before
  /// the first task.
  [[nodiscard]] std::string trainer_software() const;
  [[nodiscard]] unsigned workers() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::simulation
