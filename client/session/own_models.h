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
/// model of its own. The daemons and the simulator share this code. One thread at a time.
class OwnModels {
 public:
  /// A job at a site.
  struct Job {
    const job::JobSpec& spec;
    const ParameterManifest& manifest;
    crypto::Digest key;  ///< the key that the site's tensors are stored under
    const LocalTensors& local;
  };

  /// Trains a round. First it trains the site's own model (evaluation.alone), then the federation's, starting from the
  /// global model with the site's own tensors, which are then stored.
  /// The site's own model starts from the job's initial weights, and is trained without a proximal term. If a site
  /// joins after round 1 a job whose weights came from a file, it has no own model. If its own training fails, it keeps
  /// its previous own model. Both cases are only logged, because the federation's round goes on.
  /// @param delta  receives the federation's update
  Result<trainer::Trained> train(const Job& job, trainer::TrainerProcess& trainer, const trainer::Train& request,
                                 trainer::SharedVector& global, trainer::SharedVector& delta, std::stop_token stop);
  /// Evaluates the model of a round as this site has it, and the site's own model if the job asks for it. A site
  /// without an own model reports the federation's counts a second time, so that both sums are over the examples of the
  /// same sites. If the second sum lacked this site, its difference from the first would reveal the site's labels,
  /// which the masks are there to hide.
  /// @return the counts, in the form that evaluate_contribution() expects
  Result<std::vector<std::uint64_t>> evaluate(const Job& job, trainer::TrainerProcess& trainer, job::Split split,
                                              std::uint32_t round, trainer::SharedVector& global, std::stop_token stop);

  /// Removes the model that a site has trained by itself for comparison with a job.
  static void forget_alone(const LocalTensors& local, const crypto::Digest& job);

 private:
  /// Returns the global model with the site's own tensors, as they were before a round; `global` itself if the job
  /// leaves no tensors to the site.
  Result<trainer::SharedVector*> at_site(const Job& job, trainer::SharedVector& global, std::uint32_t before_round);
  Result<void> train_alone(const Job& job, trainer::TrainerProcess& trainer, trainer::Train request,
                           trainer::SharedVector& global, std::stop_token stop);
  /// Returns nullopt if the site has no model of its own.
  Result<std::optional<std::vector<std::uint64_t>>> evaluate_alone(const Job& job, trainer::TrainerProcess& trainer,
                                                                   const trainer::Evaluate& request,
                                                                   std::size_t elements, std::uint32_t before_round,
                                                                   std::stop_token stop);

  std::optional<trainer::SharedVector> own_, delta_, counts_;
};

}  // namespace consilium::session
