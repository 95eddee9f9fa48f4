#include "simulation/site_worker.h"

#include <algorithm>
#include <span>
#include <utility>

#include "client/masking/site_secret.h"
#include "client/session/contribution.h"
#include "client/session/inseparable.h"
#include "client/session/trainer_requests.h"

namespace consilium::simulation {
namespace {

/// Space for the counts of the patients that a trainer evaluates at a time.
constexpr std::size_t kPatientCountBytes = std::size_t{64} << 20;

Result<masking::SiteSecret> secret_of(const Task& task) {
  if (!task.site.secret.empty()) return masking::SiteSecret::open(task.site.secret);
  return masking::SiteSecret::simulated(task.site.name, task.job->spec.seed);
}

session::OwnModels::Job own_job(const Task& task, const session::LocalTensors& local) {
  const std::string& trained_in = task.trained_in.empty() ? task.key.job_id : task.trained_in;
  return {task.job->spec, task.job->manifest, local_key(trained_in), local};
}

}  // namespace

SiteWorker::SiteWorker(trainer::TrainerConfig trainer, const journal::BlobStore& blobs, std::filesystem::path local)
    : blobs_(blobs), local_(std::move(local)), trainer_(std::move(trainer)) {}

Result<std::string> SiteWorker::start() {
  CONSILIUM_ASSIGN(const trainer::Hello hello, trainer_.start());
  return hello.software + " on " + hello.device;
}

Result<Answer> SiteWorker::perform(const Task& task, std::stop_token stop) {
  Result<Answer> answer = attempt(task, stop);
  if (!answer && answer.error().code == ErrorCode::kUnavailable && !stop.stop_requested()) answer = attempt(task, stop);
  return answer;
}

/// Returns the seed of a task's randomness: the job's seed, or in mode masked the site's own secret.
Result<std::uint64_t> SiteWorker::seed_of(const Task& task) {
  if (!job::sums_whole_groups(task.job->spec)) return task.order.seed;
  CONSILIUM_ASSIGN(const masking::SiteSecret secret, secret_of(task));
  return secret.training_seed(task.order, task.job->spec.data.dataset);
}

/// Mode masked: contributes an unusable result as a daemon would.
Result<Answer> SiteWorker::or_unusable(const Task& task, Result<Answer> answer) {
  const bool unusable = !answer && answer.error().code == ErrorCode::kInvalidArgument;
  if (!unusable || !job::sums_whole_groups(task.job->spec)) return answer;
  CONSILIUM_ASSIGN(const masking::SiteSecret secret, secret_of(task));
  CONSILIUM_ASSIGN(const crypto::SecretBytes key, secret.unusable_key(task.order));
  CONSILIUM_ASSIGN(std::vector<std::uint32_t> words, session::unusable_contribution(task.order, key));
  return Answer{false, std::move(words), answer.error().message};
}

Result<Answer> SiteWorker::attempt(const Task& task, std::stop_token stop) {
  CONSILIUM_TRY(prepare(task, stop));
  if (task.job->spec.population && prepared_.train_examples > task.job->spec.population->examples) {
    return fail(ErrorCode::kFailedPrecondition,
                "the site has more training examples than the population's bound allows: " +
                    std::to_string(prepared_.train_examples));
  }
  const auto failed = [this](Result<Answer> answer) {
    // After any failure, the next task finds out for itself what the trainer still holds.
    if (!answer) request_.reset();
    return answer;
  };
  if (task.by_patient) return failed(evaluate_patients(task, stop));
  switch (task.order.kind) {
    case job::SumKind::kCensus: {
      CONSILIUM_ASSIGN(std::vector<std::uint32_t> words, session::census_contribution(task.order, prepared_));
      return Answer{false, std::move(words)};
    }
    case job::SumKind::kTrain:
      return or_unusable(task, failed(train(task, stop)));
    case job::SumKind::kEvaluate:
      return or_unusable(task, failed(evaluate(task, stop)));
  }
  return fail(ErrorCode::kInternal, "a session of an unknown kind");
}

Result<void> SiteWorker::prepare(const Task& task, std::stop_token stop) {
  trainer::Prepare request = session::prepare_request(task.job->spec, task.site.data, task.job->atlas,
                                                      task.job->manifest.parameter_count(), task.order.labels);
  if (request_ == request) return {};
  request_.reset();
  data_.reset();
  CONSILIUM_ASSIGN(prepared_, trainer_.prepare(request, stop));
  data_ = task.site.data;
  request_ = std::move(request);
  return {};
}

Result<void> SiteWorker::load_model(const Task& task) {
  if (global_ && model_ == task.order.model) return {};
  model_.reset();
  const std::size_t bytes = task.job->manifest.parameter_count() * sizeof(float);
  CONSILIUM_TRY(trainer::resize(global_, bytes));
  CONSILIUM_ASSIGN(const std::size_t read, blobs_.read(task.order.model, 0, global_->bytes()));
  if (read != bytes) return fail(ErrorCode::kDataLoss, "the global model is shorter than its manifest says");
  model_ = task.order.model;
  return {};
}

Result<Answer> SiteWorker::train(const Task& task, std::stop_token stop) {
  CONSILIUM_TRY(load_model(task));
  CONSILIUM_TRY(trainer::resize(delta_, global_->bytes().size()));
  const job::RoundOrder& order = task.order;
  CONSILIUM_ASSIGN(const std::uint64_t seed, seed_of(task));
  trainer::Train request = session::train_request(order, task.job->spec, task.site.name, seed);
  request.local_epochs = task.epochs.value_or(order.local_epochs);
  const session::LocalTensors local = local_tensors(local_, task.site.name);
  CONSILIUM_ASSIGN(trainer::Trained trained,
                   own_.train(own_job(task, local), trainer_, request, *global_, *delta_, stop));
  trained.partial = trained.partial || task.epochs.has_value();
  if (trained.partial && !order.keep_partial) return Answer{true, {}};
  CONSILIUM_TRY(session::check_inseparable(order, task.job->manifest, task.job->spec.training.learning_rates,
                                           prepared_.train_examples, global_->floats(), delta_->floats()));
  CONSILIUM_ASSIGN(
      std::vector<std::uint32_t> words,
      session::train_contribution(order, task.job->manifest, prepared_.train_examples, trained, delta_->floats()));
  return Answer{false, std::move(words)};
}

Result<Answer> SiteWorker::evaluate(const Task& task, std::stop_token stop) {
  CONSILIUM_TRY(load_model(task));
  const session::LocalTensors local = local_tensors(local_, task.site.name);
  CONSILIUM_ASSIGN(const std::vector<std::uint64_t> counts,
                   own_.evaluate(own_job(task, local), trainer_, task.order.split, task.order.round, *global_, stop));
  CONSILIUM_ASSIGN(const auto counted, job::task_of(task.job->spec));
  CONSILIUM_ASSIGN(std::vector<std::uint32_t> words, session::evaluate_contribution(task.order, *counted, counts));
  return Answer{false, std::move(words)};
}

std::uint64_t SiteWorker::examples_of(job::Split split) const {
  if (split == job::Split::kTrain) return prepared_.train_examples;
  return split == job::Split::kVal ? prepared_.val_examples : prepared_.test_examples;
}

Result<Answer> SiteWorker::evaluate_patients(const Task& task, std::stop_token stop) {
  const PatientEvaluation& evaluation = *task.by_patient;
  const std::size_t bytes = task.job->manifest.parameter_count() * sizeof(float);
  CONSILIUM_ASSIGN(trainer::SharedVector models, trainer::SharedVector::create(bytes * evaluation.models.size()));
  for (std::size_t i = 0; i < evaluation.models.size(); ++i) {
    CONSILIUM_ASSIGN(const std::size_t read,
                     blobs_.read(evaluation.models[i], 0, models.bytes().subspan(i * bytes, bytes)));
    if (read != bytes) return fail(ErrorCode::kDataLoss, "a model is shorter than its manifest says");
    if (task.job->manifest.local_size() == 0 || task.trained_in.empty()) continue;
    CONSILIUM_TRY(local_tensors(local_, task.site.name)
                      .put_into(local_key(task.trained_in), task.job->manifest, session::kAnyRound,
                                models.floats().subspan(i * bytes / sizeof(float), bytes / sizeof(float))));
  }
  CONSILIUM_ASSIGN(const auto counted, job::task_of(task.job->spec));
  const std::size_t elements = counted->evaluation_elements();
  const std::size_t at_once = std::clamp<std::size_t>(kPatientCountBytes / (elements * sizeof(std::uint64_t)), 1,
                                                      trainer::kMaxEvaluatedPatients);
  CONSILIUM_ASSIGN(trainer::SharedVector counts,
                   trainer::SharedVector::create(at_once * elements * sizeof(std::uint64_t)));
  trainer::EvaluatePatients request;
  request.split = evaluation.split;
  request.models = static_cast<std::uint32_t>(evaluation.models.size());
  request.patients = at_once;
  Answer answer;
  std::uint64_t all = 0;
  do {
    request.first_patient = answer.patients.size();
    CONSILIUM_ASSIGN(const trainer::EvaluatedPatients done, trainer_.evaluate_patients(request, models, counts, stop));
    all = done.all;
    if (all > examples_of(evaluation.split))
      return fail(ErrorCode::kDataLoss, "the trainer reports more patients than examples");
    for (std::size_t i = 0; i < at_once && answer.patients.size() < all; ++i)
      answer.patients.push_back(task::without_zeros(counts.counts().subspan(i * elements, elements)));
  } while (answer.patients.size() < all);
  return answer;
}

}  // namespace consilium::simulation
