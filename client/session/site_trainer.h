#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "client/session/local_tensors.h"
#include "client/session/model_cache.h"
#include "client/session/own_models.h"
#include "client/session/session_machine.h"
#include "client/session/site_data.h"
#include "client/trainer_process/trainer_process.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::session {

/// A site's trainer process and what is kept in memory for it: the data set and model of the job that it prepared last,
/// the global model, and the last update. One thread at a time.
class SiteTrainer {
 public:
  /// @param site  names the random streams
  SiteTrainer(trainer::TrainerConfig config, SiteData data, std::string site, ModelCache models, LocalTensors local);

  /// The last update. Its delta is in delta().
  struct Update {
    job::RoundOrder order;  ///< without the attempt number: every attempt at a round trains the same
    trainer::Trained result;
    std::uint64_t examples = 0;  ///< of its job's data; another job may be prepared before the update is sent
    ParameterManifest manifest;
  };

  Result<void> start();
  /// Replaces the site's data for jobs from now on. Jobs that are already prepared go on with the files that they began
  /// with, even if the configuration no longer lists these.
  void change_data(SiteData data);
  /// Has the next prepare() reread the data files if they have changed, whatever is at their paths now.
  void look_at_data_again() {
    prepare_ = {};
    trainer_.look_at_data_again();
  }
  /// Gives the trainer the job's model and data; does nothing if it already has them. kNotFound if the site has no such
  /// data set or atlas.
  /// @param labels  the label counts of the session's order; empty before there is a session
  Result<void> prepare(const AcceptedJob& job, std::stop_token stop, const task::LabelCounts& labels = {});
  /// Returns what the trainer counted when it last read the data set. prepare() must have succeeded before.
  [[nodiscard]] const trainer::Prepared& prepared() const { return *trainer_.prepared(); }

  /// Trains from the session's global model as the job prescribes, and keeps the update. kInvalidArgument for a masked
  /// update that could be taken apart in a sum (inseparable.h).
  Result<void> train(const ActiveSession& session, const AcceptedJob& job, std::uint64_t seed, std::stop_token stop);
  /// Removes from the disk the model that the site has trained by itself in a job that is over.
  void forget(const crypto::Digest& job);
  [[nodiscard]] const std::optional<Update>& update() const { return update_; }
  /// Returns the global model in memory if it is `model`; otherwise an empty span. No trainer can write to it.
  [[nodiscard]] std::span<const float> global(const crypto::Digest& model);
  /// Copies a model that this site has computed into that memory, so that it needn't be written, read and hashed again.
  /// It is written to disk when another job's model replaces it. Returns false if the memory holds a model of another
  /// size.
  /// @param model  the digest of `parameters`
  bool remember(const crypto::Digest& model, std::span<const float> parameters);
  [[nodiscard]] std::span<float> delta() { return delta_->floats(); }
  /// Returns the last update if it is for this order, in any attempt; otherwise nullptr.
  [[nodiscard]] const Update* update_of(const job::RoundOrder& order) const;

  /// Evaluates the session's global model, and this site's own if the job asks for it.
  /// @return the counts, in the form that evaluate_contribution() expects
  Result<std::vector<std::uint64_t>> evaluate(const ActiveSession& session, const AcceptedJob& job,
                                              std::stop_token stop);

 private:
  Result<void> load_model(const ActiveSession& session);
  /// The files with which a job was prepared.
  struct JobFiles {
    trainer::DataSource data;
    std::string atlas;  ///< empty if the job has none
  };
  [[nodiscard]] Result<JobFiles> files_of(const AcceptedJob& job) const;
  /// Lets the trainer read the data of new jobs and of the jobs that it was prepared for.
  void allow_files();
  [[nodiscard]] OwnModels::Job own_job(const ActiveSession& session, const AcceptedJob& job) const {
    return {job.spec, *manifest_, session.order.job, local_};
  }
  /// Removes the model from memory, after writing it to disk if it isn't there.
  Result<void> put_away();

  SiteData data_;
  std::map<crypto::Digest, JobFiles> began_with_;  ///< by job
  std::string site_;
  ModelCache models_;
  LocalTensors local_;
  trainer::TrainerProcess trainer_;
  trainer::Prepare prepare_;
  std::optional<ParameterManifest> manifest_;
  model::ModelSpec manifest_model_;
  std::optional<trainer::SharedVector> global_;
  std::optional<crypto::Digest> loaded_;  ///< digest of the model in global_
  bool only_here_ = false;                ///< true if that model isn't on disk
  OwnModels own_;
  std::optional<trainer::SharedVector> delta_;
  std::optional<Update> update_;
};

}  // namespace consilium::session
