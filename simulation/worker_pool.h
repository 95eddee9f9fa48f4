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

/// A site as data: what it is called, and where its examples lie.
struct SimulatedSite {
  std::string name;
  trainer::DataSource data;
  /// The file of its secret bytes (masking::SiteSecret); empty: made up from its name and the job's seed.
  std::filesystem::path secret{};
  bool operator==(const SimulatedSite&) const = default;
};

/// What every session of a job shares.
struct JobContext {
  job::JobSpec spec;
  ParameterManifest manifest;
  std::string atlas{};  ///< the file of the job's atlas, the same for all sites
};

/// An evaluation outside of any session, patient by patient.
struct PatientEvaluation {
  job::Split split = job::Split::kTest;
  std::vector<crypto::Digest> models;  ///< one, or several whose mean prediction is evaluated
};

/// One site's part in one session, for whichever worker is free.
struct Task {
  std::shared_ptr<const JobContext> job;
  SimulatedSite site;
  job::SessionKey key;
  job::RoundOrder order;
  std::optional<std::uint32_t> epochs;            ///< a straggler's, fewer than the order's: its work is partial
  std::optional<PatientEvaluation> by_patient{};  ///< in place of what the order says
  /// An evaluation's: the job in which the site trained tensors of its own (model.local); empty: that of the key.
  std::string trained_in{};
};

/// What came of a task.
struct Answer {
  bool partial = false;              ///< partial work that the order doesn't keep: no words
  std::vector<std::uint32_t> words;  ///< the site's vector, as a daemon would upload it
  std::string unusable{};            ///< mode masked: why the vector says that the site's result can't be used
  std::vector<task::PatientCounts> patients{};  ///< of an evaluation by patient; no words
};
struct Outcome {
  std::string site;
  job::SessionKey key;
  Result<Answer> answer;
};

/// Where a simulated site keeps the tensors that jobs leave to it, in a folder for all sites.
[[nodiscard]] session::LocalTensors local_tensors(const std::filesystem::path& folder, const std::string& site);
/// What stands for a job in there: two runs of one job are two.
[[nodiscard]] crypto::Digest local_key(const std::string& job_id);

/// Trainer processes that take sites' sessions one by one: as many sites as one likes cost the memory of the workers.
/// Each task gives what it would at a site of its own: workers differ in nothing, and keep nothing between tasks but
/// caches.
class WorkerPool {
 public:
  /// @param workers  trainer processes, at least 1; started by the first task that each takes
  /// @param blobs    holds the global models; outlives the pool
  /// @param local    folder for the tensors that jobs leave to the sites
  /// @param done     called from a worker's thread after each task that wasn't cancelled
  WorkerPool(unsigned workers, trainer::TrainerConfig trainer, const journal::BlobStore& blobs,
             std::filesystem::path local, std::function<void(Outcome)> done);
  ~WorkerPool();  ///< cancels what is going on, ends the trainers

  void post(Task task);
  /// Drops the site's task of a session, or stops it; nothing more is heard of it.
  void cancel(const std::string& site, const job::SessionKey& key);
  /// What the trainers said they are ("consilium-trainer 0.1.0, LibTorch 2.13.0"); empty before the first task.
  [[nodiscard]] std::string trainer_software() const;
  [[nodiscard]] unsigned workers() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::simulation
