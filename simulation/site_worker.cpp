#include "simulation/site_worker.h"

#include <span>
#include <utility>

#include "client/masking/site_secret.h"
#include "client/session/contribution.h"
#include "client/session/inseparable.h"

namespace consilium::simulation {
namespace {

/// Makes `vector` one of so many bytes, unless it is one.
Result<void> resize(std::optional<trainer::SharedVector>& vector, std::size_t bytes) {
  if (vector && vector->bytes().size() == bytes) return {};
  vector.reset();
  CONSILIUM_ASSIGN(trainer::SharedVector created, trainer::SharedVector::create(bytes));
  vector.emplace(std::move(created));
  return {};
}

Result<masking::SiteSecret> secret_of(const Task& task) {
  if (!task.site.secret.empty()) return masking::SiteSecret::open(task.site.secret);
  return masking::SiteSecret::simulated(task.site.name, task.job->spec.seed);
}

}  // namespace

SiteWorker::SiteWorker(trainer::TrainerConfig trainer, const journal::BlobStore& blobs)
    : blobs_(blobs), trainer_(std::move(trainer)) {}

Result<std::string> SiteWorker::start() {
  CONSILIUM_ASSIGN(const trainer::Hello hello, trainer_.start());
  return hello.software + " on " + hello.device;
}

Result<Answer> SiteWorker::perform(const Task& task, std::stop_token stop) {
  Result<Answer> answer = attempt(task, stop);
  if (!answer && answer.error().code == ErrorCode::kUnavailable && !stop.stop_requested()) answer = attempt(task, stop);
  return answer;
}

/// What a task's randomness begins with: the job's seed, or in mode masked the site's own secret.
Result<std::uint64_t> SiteWorker::seed_of(const Task& task) {
  if (!job::sums_whole_groups(task.job->spec)) return task.order.seed;
  CONSILIUM_ASSIGN(const masking::SiteSecret secret, secret_of(task));
  return secret.training_seed(task.order, task.job->spec.data.dataset);
}

/// Mode masked: a result that can't be used is contributed as a daemon would.
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
                "more training examples than the bound of the population: " + std::to_string(prepared_.train_examples));
  }
  const auto failed = [this](Result<Answer> answer) {
    // Whatever went wrong, the next task finds out for itself what the trainer still has.
    if (!answer) request_.reset();
    return answer;
  };
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
  trainer::Prepare request{task.job->spec.model,
                           task.site.data,
                           task.job->spec.data.normalize,
                           task.job->manifest.parameter_count(),
                           task.job->spec.task,
                           task.job->spec.training.loss,
                           task.job->spec.training.precision};
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
  CONSILIUM_TRY(resize(global_, bytes));
  CONSILIUM_ASSIGN(const std::size_t read, blobs_.read(task.order.model, 0, global_->bytes()));
  if (read != bytes) return fail(ErrorCode::kDataLoss, "the global model is shorter than its manifest says");
  model_ = task.order.model;
  return {};
}

Result<Answer> SiteWorker::train(const Task& task, std::stop_token stop) {
  CONSILIUM_TRY(load_model(task));
  CONSILIUM_TRY(resize(delta_, global_->bytes().size()));
  const job::RoundOrder& order = task.order;
  CONSILIUM_ASSIGN(const std::uint64_t seed, seed_of(task));
  const trainer::Train request{task.site.name,
                               order.round,
                               seed,
                               task.epochs.value_or(order.local_epochs),
                               order.batch_size,
                               order.optimizer,
                               order.proximal_mu,
                               order.time_limit_ms};
  CONSILIUM_ASSIGN(trainer::Trained trained, trainer_.train(
                                                 request, *global_, *delta_, [](const trainer::Progress&) {}, stop));
  trained.partial = trained.partial || task.epochs.has_value();
  if (trained.partial && !order.keep_partial) return Answer{true, {}};
  CONSILIUM_TRY(session::check_inseparable(order, prepared_.train_examples, global_->floats(), delta_->floats()));
  CONSILIUM_ASSIGN(
      std::vector<std::uint32_t> words,
      session::train_contribution(order, task.job->manifest, prepared_.train_examples, trained, delta_->floats()));
  return Answer{false, std::move(words)};
}

Result<Answer> SiteWorker::evaluate(const Task& task, std::stop_token stop) {
  CONSILIUM_TRY(load_model(task));
  CONSILIUM_ASSIGN(const auto counted, job::task_of(task.job->spec));
  CONSILIUM_TRY(resize(counts_, counted->evaluation_elements() * sizeof(std::uint64_t)));
  trainer::Evaluate request;
  request.split = task.order.split;
  CONSILIUM_TRY(trainer_.evaluate(request, *global_, *counts_, stop));
  CONSILIUM_ASSIGN(std::vector<std::uint32_t> words,
                   session::evaluate_contribution(task.order, *counted, counts_->counts()));
  return Answer{false, std::move(words)};
}

}  // namespace consilium::simulation
