#include "client/session/site_trainer.h"

#include <algorithm>
#include <set>
#include <utility>

#include "client/session/inseparable.h"
#include "client/session/trainer_requests.h"
#include "common/model/model_parameters.h"

namespace consilium::session {
namespace {

job::RoundOrder any_attempt(job::RoundOrder order) {
  order.attempt = 0;
  return order;
}

}  // namespace

SiteTrainer::SiteTrainer(trainer::TrainerConfig config, SiteData data, std::string site, ModelCache models,
                         LocalTensors local)
    : data_(std::move(data)),
      site_(std::move(site)),
      models_(std::move(models)),
      local_(std::move(local)),
      trainer_(std::move(config)) {}

Result<void> SiteTrainer::start() {
  CONSILIUM_TRY(trainer_.start());
  return {};
}

Result<void> SiteTrainer::prepare(const AcceptedJob& job, std::stop_token stop, const task::LabelCounts& labels) {
  CONSILIUM_ASSIGN(const JobFiles files, files_of(job));
  if (!manifest_ || manifest_model_ != job.spec.model) {
    CONSILIUM_ASSIGN(ParameterManifest manifest, model::build_manifest(job.spec.model));
    manifest_ = std::move(manifest);
    manifest_model_ = job.spec.model;
  }
  trainer::Prepare request = prepare_request(job.spec, files.data, files.atlas, manifest_->parameter_count(), labels);
  if (request == prepare_) return {};
  prepare_ = {};
  CONSILIUM_TRY(trainer_.prepare(request, stop));
  prepare_ = std::move(request);
  began_with_.insert_or_assign(job.digest, files);
  return {};
}

Result<SiteTrainer::JobFiles> SiteTrainer::files_of(const AcceptedJob& job) const {
  if (const auto begun = began_with_.find(job.digest); begun != began_with_.end()) return begun->second;
  const auto data = data_.datasets.find(job.spec.data.dataset);
  if (data == data_.datasets.end()) {
    return fail(ErrorCode::kNotFound, "no data set '" + job.spec.data.dataset + "' (client.yaml: datasets)");
  }
  JobFiles files{data->second, {}};
  if (job.spec.data.atlas) {
    const auto found = data_.atlases.find(job.spec.data.atlas->name);
    if (found == data_.atlases.end())
      return fail(ErrorCode::kNotFound, "no atlas '" + job.spec.data.atlas->name + "' (client.yaml: atlases)");
    files.atlas = found->second;
  }
  return files;
}

void SiteTrainer::change_data(SiteData data) {
  data_ = std::move(data);
  allow_files();
}

void SiteTrainer::allow_files() {
  std::set<std::filesystem::path> readable;
  for (const auto& [name, source] : data_.datasets) readable.insert(source.path);
  for (const auto& [name, file] : data_.atlases) readable.insert(file);
  for (const auto& [job, files] : began_with_) {
    readable.insert(files.data.path);
    if (!files.atlas.empty()) readable.insert(files.atlas);
  }
  trainer_.allow({readable.begin(), readable.end()});
}

void SiteTrainer::forget(const crypto::Digest& job) {
  OwnModels::forget_alone(local_, job);
  if (began_with_.erase(job) > 0) allow_files();
}

/// Loads the session's global model into shared memory, unless it is there already.
Result<void> SiteTrainer::load_model(const ActiveSession& session) {
  if (global_ && loaded_ == session.order.model) return {};
  CONSILIUM_TRY(put_away());
  if (!global_ || global_->bytes().size() != session.model_bytes) {
    global_.reset();
    delta_.reset();
    update_.reset();
    CONSILIUM_ASSIGN(trainer::SharedVector created, trainer::SharedVector::create(session.model_bytes));
    global_.emplace(std::move(created));
  }
  CONSILIUM_TRY(models_.load(session.order.model, global_->bytes()));
  loaded_ = session.order.model;
  return {};
}

std::span<const float> SiteTrainer::global(const crypto::Digest& model) {
  return global_ && loaded_ == model ? std::span<const float>(global_->floats()) : std::span<const float>();
}

Result<void> SiteTrainer::put_away() {
  const auto model = std::exchange(loaded_, std::nullopt);
  if (!std::exchange(only_here_, false) || !model) return {};
  return models_.keep(*model, global_->bytes());
}

bool SiteTrainer::remember(const crypto::Digest& model, std::span<const float> parameters) {
  if (!global_ || global_->floats().size() != parameters.size()) return false;
  std::ranges::copy(parameters, global_->floats().begin());
  loaded_ = model;
  only_here_ = true;
  return true;
}

Result<void> SiteTrainer::train(const ActiveSession& session, const AcceptedJob& job, std::uint64_t seed,
                                std::stop_token stop) {
  update_.reset();
  CONSILIUM_TRY(load_model(session));
  if (!delta_) {
    CONSILIUM_ASSIGN(trainer::SharedVector created, trainer::SharedVector::create(session.model_bytes));
    delta_.emplace(std::move(created));
  }
  const job::RoundOrder& order = session.order;
  const trainer::Train request = train_request(order, job.spec, site_, seed);
  const OwnModels::Job own = own_job(session, job);
  CONSILIUM_ASSIGN(const trainer::Trained trained, own_.train(own, trainer_, request, *global_, *delta_, stop));
  CONSILIUM_TRY(check_inseparable(order, *manifest_, job.spec.training.learning_rates, prepared().train_examples,
                                  global_->floats(),
                                  delta_->floats()));  // check: equal-sizes
  update_ = Update{any_attempt(order), trained, prepared().train_examples, *manifest_};
  return {};
}

const SiteTrainer::Update* SiteTrainer::update_of(const job::RoundOrder& order) const {
  return update_ && update_->order == any_attempt(order) ? &*update_ : nullptr;
}

Result<std::vector<std::uint64_t>> SiteTrainer::evaluate(const ActiveSession& session, const AcceptedJob& job,
                                                         std::stop_token stop) {
  CONSILIUM_TRY(load_model(session));
  return own_.evaluate(own_job(session, job), trainer_, session.order.split, session.order.round, *global_, stop);
}

}  // namespace consilium::session
