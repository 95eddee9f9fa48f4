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

  /// The global model with the site's own tensors, as they were before a round: `global` itself where the job leaves
  /// none to it.
  Result<trainer::SharedVector*> at_site(const Job& job, trainer::SharedVector& global, std::uint32_t before_round);
  /// Keeps what training in a round made of the site's own tensors.
  static Result<void> keep(const Job& job, std::uint32_t round, trainer::SharedVector& model,
                           trainer::SharedVector& delta);

  /// Trains the site's own model on as `request` says, which trained the federation's, but for a proximal term. It
  /// begins with the job's initial weights. A site that comes after round 1 to a job whose weights came from a file has
  /// none, and nor has one whose own training failed: the log says so, for the federation's round goes on.
  /// @param global  the round's global model
  Result<void> train_alone(const Job& job, trainer::TrainerProcess& trainer, trainer::Train request,
                           trainer::SharedVector& global, std::stop_token stop);
  /// Evaluates the site's own model. @return its counts; zeros where there is none
  Result<std::vector<std::uint64_t>> evaluate_alone(const Job& job, trainer::TrainerProcess& trainer,
                                                    const trainer::Evaluate& request, std::size_t elements,
                                                    std::uint32_t before_round, std::stop_token stop);

 private:
  std::optional<trainer::SharedVector> own_, delta_, counts_;
};

}  // namespace consilium::session
