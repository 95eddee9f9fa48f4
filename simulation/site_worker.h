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

/// One warm trainer that plays one site after the other. Not thread-safe.
class SiteWorker {
 public:
  /// @param local  folder for the tensors that jobs leave to the sites
  SiteWorker(trainer::TrainerConfig trainer, const journal::BlobStore& blobs, std::filesystem::path local);

  /// Does a task to its end. A trainer that a signal killed is started again once, as a site's daemon does.
  Result<Answer> perform(const Task& task, std::stop_token stop);
  /// The data that the trainer holds: a task on it needs no loading.
  [[nodiscard]] const std::optional<trainer::DataSource>& loaded_data() const { return data_; }
  /// Starts the trainer; returns what it says it is.
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
  std::optional<trainer::Prepare> request_;  ///< what the trainer has prepared
  std::optional<trainer::DataSource> data_;
  trainer::Prepared prepared_;
  std::optional<trainer::SharedVector> global_;
  session::OwnModels own_;
  std::optional<trainer::SharedVector> delta_;
  std::optional<crypto::Digest> model_;  ///< the model that lies in global_
};

}  // namespace consilium::simulation
