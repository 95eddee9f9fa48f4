#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "client/session/local_tensors.h"
#include "client/trainer/protocol/messages.h"
#include "client/trainer_process/trainer_process.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::session {

/// What a site trains for itself in a job: the layers that model.local leaves to it, and with evaluation.alone a whole
/// model of its own. Daemons and simulator share this code. One thread at a time.
class OwnModels {
 public:
  /// A job at a site.
  struct Job {
    const job::JobSpec& spec;
    const ParameterManifest& manifest;
    crypto::Digest key;  ///< under which the site's tensors are kept
    const LocalTensors& local;
  };

  /// Trains a round: first the site's own model (evaluation.alone), then the federation's from the global model with
  /// the site's own tensors, which are then kept.
  /// The site's own model begins with the job's initial weights, and is trained without a proximal term. A site that
  /// comes after round 1 to a job whose weights came from a file has none, and one whose own training failed keeps what
  /// it had: the log says so, for the federation's round goes on.
  /// @param delta  receives the federation's update
  Result<trainer::Trained> train(const Job& job, trainer::TrainerProcess& trainer, const trainer::Train& request,
                                 trainer::SharedVector& global, trainer::SharedVector& delta, std::stop_token stop);
  /// Evaluates the model of a round as this site has it, and the site's own where the job says so. A site that has no
  /// model of its own counts the federation's once more: both sums are then over the examples of the same sites. A sum
  /// over the others alone would differ from the first by this site's labels, which masks are there to hide.
  /// @return the counts, as evaluate_contribution() takes them
  Result<std::vector<std::uint64_t>> evaluate(const Job& job, trainer::TrainerProcess& trainer, job::Split split,
                                              std::uint32_t round, trainer::SharedVector& global, std::stop_token stop);

  /// Removes what a site has trained by itself to compare a job with.
  static void forget_alone(const LocalTensors& local, const crypto::Digest& job);

 private:
  /// The global model with the site's own tensors, as they were before a round: `global` itself where the job leaves
  /// none to it.
  Result<trainer::SharedVector*> at_site(const Job& job, trainer::SharedVector& global, std::uint32_t before_round);
  Result<void> train_alone(const Job& job, trainer::TrainerProcess& trainer, trainer::Train request,
                           trainer::SharedVector& global, std::stop_token stop);
  /// Returns nothing where the site has no model of its own.
  Result<std::optional<std::vector<std::uint64_t>>> evaluate_alone(const Job& job, trainer::TrainerProcess& trainer,
                                                                   const trainer::Evaluate& request,
                                                                   std::size_t elements, std::uint32_t before_round,
                                                                   std::stop_token stop);

  std::optional<trainer::SharedVector> own_, delta_, counts_;
};

}  // namespace consilium::session
