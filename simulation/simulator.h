#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "client/trainer_process/trainer_process.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/report/job_status.h"
#include "common/report/report_files.h"
#include "simulation/drop_plan.h"
#include "simulation/worker_pool.h"

namespace consilium::simulation {

/// The models that a comparison includes.
struct Arms {
  bool alone = false;     ///< each site's own model
  bool ensemble = false;  ///< the mean of these models' predictions
  bool federated = false;
  bool pooled = false;  ///< one model trained on all sites' data
  [[nodiscard]] bool any() const { return alone || ensemble || federated || pooled; }
};
/// Reads "alone,ensemble,federated,pooled" or a part of it. An ensemble needs the models of `alone`, and so includes
/// that arm.
Result<Arms> parse_arms(const std::string& text);

/// Trains federations of simulated sites with warm trainer processes. Not thread-safe.
class Simulator {
 public:
  struct Config {
    unsigned workers = 1;
    trainer::TrainerConfig trainer;
  };
  /// A job and its sites, which have been checked to fit each other.
  struct Job {
    job::JobSpec spec;                ///< without a path in initial_weights
    ParameterVector initial_weights;  ///< empty: derived from the spec and its seed
    std::vector<SimulatedSite> sites;
    double stragglers = 0.0;
    bool secure = false;  ///< run the whole protocol of secure aggregation between the sites
    DropPlan drops{};     ///< for a secure job
    std::string atlas{};  ///< the file of the job's atlas; "" if it has none
  };

  /// Creates a folder for the global models, which is removed with the simulator.
  static Result<std::unique_ptr<Simulator>> create(Config config);
  ~Simulator();

  /// Runs the job as the daemons would; the model is the same, byte for byte. When `stop` is requested, the current
  /// round is finished and the job ends as stopped. `changed` is called on the calling thread.
  /// @param masking  if not null, receives the cost of each step of a secure job's protocol
  Result<report::JobStatus> federate(const Job& job, std::function<void(const report::JobStatus&)> changed,
                                     std::stop_token stop, std::vector<report::MaskingCost>* masking = nullptr);

  /// Trains each site alone, and the pool, with the job's rounds and epochs. Evaluates every final model on the test
  /// split of all sites, patient by patient: metrics from summed counts, and their bootstrap intervals
  /// (task/bootstrap.h), drawn from the job's seed. Fails with kInvalidArgument if the predictions of the job's task
  /// have no mean for an ensemble, or if its models are too many or too large to be held at the same time.
  /// @param federated  model of federate(), for that arm
  /// @param pool       one site with all sites' training data, for that arm
  /// @param progress   called with the rounds done and the total, over all trainings
  Result<report::Comparison> compare(const Job& job, const Arms& arms, const crypto::Digest& federated,
                                     const SimulatedSite& pool,
                                     std::function<void(std::uint64_t, std::uint64_t)> progress, std::stop_token stop);

  /// Evaluates a federation's model, and one that was fine-tuned from it, on the test split of the job's only site.
  /// Works patient by patient, with intervals as in compare().
  Result<report::Comparison> compare_personal(const Job& job, const crypto::Digest& federated,
                                              const crypto::Digest& personal, std::stop_token stop);

  /// Evaluates global models on a split of all sites.
  Result<std::vector<task::Metrics>> evaluate(const Job& job, job::Split split,
                                              const std::vector<crypto::Digest>& models, std::stop_token stop);

  /// Returns the parameters of a model that a federation ended with, or that put_model() stored.
  Result<ParameterVector> model(const crypto::Digest& digest, const ParameterManifest& manifest) const;
  Result<crypto::Digest> put_model(std::span<const float> parameters);
  [[nodiscard]] std::string trainer_software() const;

 private:
  class Impl;
  explicit Simulator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::simulation
