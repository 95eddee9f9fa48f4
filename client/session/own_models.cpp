#include "client/session/own_models.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "common/job/labelled_digest.h"
#include "common/job/round_order.h"
#include "common/logging/event.h"
#include "common/model/model_parameters.h"

namespace consilium::session {
namespace {

/// Returns a manifest in which the whole model is the site's own.
Result<ParameterManifest> whole_model(const ParameterManifest& manifest) {
  std::vector<TensorInfo> tensors = manifest.tensors();
  for (TensorInfo& tensor : tensors) {
    tensor.frozen = false;
    tensor.local = true;
  }
  return ParameterManifest::create(std::move(tensors));
}

crypto::Digest key_of_alone(const crypto::Digest& job) {
  return job::labelled_digest("consilium/v1/alone", std::as_bytes(std::span(job)));
}

}  // namespace

Result<trainer::SharedVector*> OwnModels::at_site(const Job& job, trainer::SharedVector& global,
                                                  std::uint32_t before_round) {
  if (job.manifest.local_size() == 0) return &global;
  CONSILIUM_TRY(trainer::resize(own_, global.bytes().size()));
  std::ranges::copy(global.floats(), own_->floats().begin());
  CONSILIUM_TRY(job.local.put_into(job.key, job.manifest, before_round, own_->floats()));
  return &*own_;
}

Result<trainer::Trained> OwnModels::train(const Job& job, trainer::TrainerProcess& trainer,
                                          const trainer::Train& request, trainer::SharedVector& global,
                                          trainer::SharedVector& delta, std::stop_token stop) {
  CONSILIUM_TRY(train_alone(job, trainer, request, global, stop));
  CONSILIUM_ASSIGN(trainer::SharedVector* const model, at_site(job, global, request.round));
  CONSILIUM_ASSIGN(trainer::Trained trained, trainer.train(
                                                 request, *model, delta, [](const trainer::Progress&) {}, stop));
  if (job.manifest.local_size() > 0)
    CONSILIUM_TRY(job.local.keep(job.key, job.manifest, request.round, model->floats(), delta.floats()));
  return trained;
}

Result<std::vector<std::uint64_t>> OwnModels::evaluate(const Job& job, trainer::TrainerProcess& trainer,
                                                       job::Split split, std::uint32_t round,
                                                       trainer::SharedVector& global, std::stop_token stop) {
  CONSILIUM_ASSIGN(const auto task, job::task_of(job.spec));
  const std::size_t elements = task->evaluation_elements();
  CONSILIUM_ASSIGN(trainer::SharedVector* const model, at_site(job, global, round + 1));
  CONSILIUM_TRY(trainer::resize(counts_, elements * sizeof(std::uint64_t)));
  trainer::Evaluate request;
  request.split = split;
  CONSILIUM_TRY(trainer.evaluate(request, *model, *counts_, stop));
  std::vector<std::uint64_t> all(counts_->counts().begin(), counts_->counts().end());
  if (!job.spec.evaluation.alone) return all;
  CONSILIUM_ASSIGN(const auto own, evaluate_alone(job, trainer, request, elements, round + 1, stop));
  const std::vector<std::uint64_t> alone = own.value_or(all);  // check: alone-examples
  all.insert(all.end(), alone.begin(), alone.end());
  return all;
}

Result<void> OwnModels::train_alone(const Job& job, trainer::TrainerProcess& trainer, trainer::Train request,
                                    trainer::SharedVector& global, std::stop_token stop) {
  if (!job.spec.evaluation.alone) return {};
  CONSILIUM_ASSIGN(const ParameterManifest whole, whole_model(job.manifest));
  CONSILIUM_TRY(trainer::resize(own_, global.bytes().size()));
  CONSILIUM_TRY(trainer::resize(delta_, global.bytes().size()));
  CONSILIUM_ASSIGN(const bool goes_on, job.local.put_into(key_of_alone(job.key), whole, request.round, own_->floats()));
  if (!goes_on && request.round == 1) std::ranges::copy(global.floats(), own_->floats().begin());
  if (!goes_on && request.round > 1) {
    if (job.spec.initial_weights_digest) {
      logging::event(logging::Event::kOwnModelMissing, {.round = request.round},
                     fmt::format("round {}: this site has no model of its own to compare with, because it wasn't there "
                                 "in round 1: the federation's counts in its place",
                                 request.round));
      return {};
    }
    CONSILIUM_ASSIGN(const ParameterVector initial, model::initial_weights(job.spec.model, job.spec.seed));
    std::ranges::copy(initial, own_->floats().begin());
  }
  request.proximal_mu = 0.0;
  const auto trained = trainer.train(
      request, *own_, *delta_, [](const trainer::Progress&) {}, std::move(stop));
  const auto kept = trained
                        ? job.local.keep(key_of_alone(job.key), whole, request.round, own_->floats(), delta_->floats())
                        : Result<void>(fail(trained.error()));
  if (kept || kept.error().code != ErrorCode::kInvalidArgument) return kept;
  logging::event(
      logging::Event::kOwnModelMissing, {.round = request.round},
      fmt::format("round {}: the site's own model can't be trained on: {}", request.round, kept.error().message));
  return {};
}

Result<std::optional<std::vector<std::uint64_t>>> OwnModels::evaluate_alone(
    const Job& job, trainer::TrainerProcess& trainer, const trainer::Evaluate& request, std::size_t elements,
    std::uint32_t before_round, std::stop_token stop) {
  CONSILIUM_ASSIGN(const ParameterManifest whole, whole_model(job.manifest));
  CONSILIUM_TRY(trainer::resize(own_, job.manifest.parameter_count() * sizeof(float)));
  CONSILIUM_TRY(trainer::resize(counts_, elements * sizeof(std::uint64_t)));
  CONSILIUM_ASSIGN(const bool trained, job.local.put_into(key_of_alone(job.key), whole, before_round, own_->floats()));
  if (!trained) return std::optional<std::vector<std::uint64_t>>();
  const auto evaluated = trainer.evaluate(request, *own_, *counts_, std::move(stop));
  if (!evaluated && evaluated.error().code == ErrorCode::kInvalidArgument) {
    logging::event(logging::Event::kOwnModelMissing, {.round = before_round - 1},
                   "the site's own model can't be evaluated, and the federation's counts in its place: " +
                       evaluated.error().message);
    return std::optional<std::vector<std::uint64_t>>();
  }
  if (!evaluated) return fail(evaluated.error());
  return std::vector<std::uint64_t>(counts_->counts().begin(), counts_->counts().end());
}

void OwnModels::forget_alone(const LocalTensors& local, const crypto::Digest& job) { local.forget(key_of_alone(job)); }

}  // namespace consilium::session
