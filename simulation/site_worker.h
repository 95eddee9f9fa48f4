#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "client/session/own_models.h"
#include "client/trainer_process/trainer_process.h"
#include "common/crypto/sha256.h"
#include "coordinator/journal/blob_store.h"
#include "simulation/worker_pool.h"

namespace consilium::simulation {

/// One warm trainer that plays the part of one site after another. Not thread-safe.
class SiteWorker {
 public:
  /// @param local  folder for the tensors that jobs leave at the sites
  SiteWorker(trainer::TrainerConfig trainer, const journal::BlobStore& blobs, std::filesystem::path local);

  /// Performs a task completely. If a signal kills the trainer, it is restarted once, as by a site's daemon.
  Result<Answer> perform(const Task& task, std::stop_token stop);
  /// Returns the data that the trainer holds. A task on the same data needs no loading.
  [[nodiscard]] const std::optional<trainer::DataSource>& loaded_data() const { return data_; }
  /// Starts the trainer and returns the software version that it reports.
  Result<std::string> start();

 private:
  Result<Answer> attempt(const Task& task, std::stop_token stop);
  Result<void> prepare(const Task& task, std::stop_token stop);
  Result<void> load_model(const Task& task);
  static Result<std::uint64_t> seed_of(const Task& task);
  static Result<Answer> or_unusable(const Task& task, Result<Answer> answer);
  Result<Answer> train(const Task& task, std::stop_token stop);
  Result<Answer> evaluate(const Task& task, std::stop_token stop);
  [[nodiscard]] std::uint64_t examples_of(job::Split split) const;
  Result<Answer> evaluate_patients(const Task& task, std::stop_token stop);

  const journal::BlobStore& blobs_;
  std::filesystem::path local_;
  trainer::TrainerProcess trainer_;
  std::optional<trainer::Prepare> request_;  ///< what the trainer has been prepared for
  std::optional<trainer::DataSource> data_;
  trainer::Prepared prepared_;
  std::optional<trainer::SharedVector> global_;
  session::OwnModels own_;
  std::optional<trainer::SharedVector> delta_;
  std::optional<crypto::Digest> model_;  ///< the model in global_
};

}  // namespace consilium::simulation
