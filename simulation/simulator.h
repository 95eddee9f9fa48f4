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

/// What a comparison compares.
struct Arms {
  bool alone = false;     ///< each site's own model
  bool ensemble = false;  ///< the mean of what those predict
  bool federated = false;
  bool pooled = false;  ///< one model of everybody's data
  [[nodiscard]] bool any() const { return alone || ensemble || federated || pooled; }
};
/// Reads "alone,ensemble,federated,pooled" or some of them; an ensemble needs the models of `alone`, and brings it.
Result<Arms> parse_arms(const std::string& text);

/// Trains federations of simulated sites over warm trainer processes. Not thread-safe.
class Simulator {
 public:
  struct Config {
    unsigned workers = 1;
    trainer::TrainerConfig trainer;
  };
  /// A job and its sites, checked to fit each other.
  struct Job {
    job::JobSpec spec;                ///< without a path in initial_weights
    ParameterVector initial_weights;  ///< empty: those that the spec and its seed give
    std::vector<SimulatedSite> sites;
    double stragglers = 0.0;
    bool secure = false;  ///< run the whole protocol of secure aggregation between the sites
    DropPlan drops{};     ///< with it
    std::string atlas{};  ///< the file of the job's atlas; "" where it has none
  };

  /// Makes a folder for the global models, which goes with the simulator.
  static Result<std::unique_ptr<Simulator>> create(Config config);
  ~Simulator();

  /// Runs the job as the daemons would: the same model, byte for byte. A stop finishes the round under way and ends
  /// the job as stopped. The caller's `changed` is called from this thread.
  /// @param masking  gets what each step of a secure job's protocol cost, where it isn't null
  Result<report::JobStatus> federate(const Job& job, std::function<void(const report::JobStatus&)> changed,
                                     std::stop_token stop, std::vector<report::MaskingCost>* masking = nullptr);

  /// Trains each site alone and the pool with the job's rounds and epochs, and evaluates every final model on the test
  /// split of all sites, patient by patient: metrics by summed counts, and their bootstrap intervals
  /// (task/bootstrap.h), drawn from the job's seed. Fails with kInvalidArgument where an ensemble of the job's task has
  /// no mean, or its models are too many or too large to be held at once.
  /// @param federated model of federate(), for that arm
  /// @param pool      one site with everybody's training data, for that arm
  /// @param progress  called with rounds done and to do, over all that is trained
  Result<report::Comparison> compare(const Job& job, const Arms& arms, const crypto::Digest& federated,
                                     const SimulatedSite& pool,
                                     std::function<void(std::uint64_t, std::uint64_t)> progress, std::stop_token stop);

  /// Evaluates a federation's model and one that was fine-tuned from it on the test split of the job's only site,
  /// patient by patient, with intervals as compare().
  Result<report::Comparison> compare_personal(const Job& job, const crypto::Digest& federated,
                                              const crypto::Digest& personal, std::stop_token stop);

  /// Evaluates global models on a split of all sites.
  Result<std::vector<task::Metrics>> evaluate(const Job& job, job::Split split,
                                              const std::vector<crypto::Digest>& models, std::stop_token stop);

  /// The parameters of a model that a federation ended with, or that put_model() brought.
  Result<ParameterVector> model(const crypto::Digest& digest, const ParameterManifest& manifest) const;
  Result<crypto::Digest> put_model(std::span<const float> parameters);
  [[nodiscard]] std::string trainer_software() const;

 private:
  class Impl;
  explicit Simulator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::simulation
