#include "coordinator/round/global_model.h"

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <utility>

#include "common/aggregation/weighting.h"
#include "common/encoding/vector_layout.h"
#include "common/job/cohort_rules.h"

namespace consilium::round {

GlobalModel::GlobalModel(const job::JobSpec& spec, ParameterManifest manifest, const crypto::Digest& initial,
                         journal::BlobStore& blobs)
    : spec_(spec.strategy),
      normaliser_(job::weight_normaliser(spec)),
      manifest_(std::move(manifest)),
      strategy_(aggregation::make_strategy(spec.strategy)),
      blobs_(blobs),
      latest_(initial) {
  blobs_.retain(initial);
}

GlobalModel::~GlobalModel() {
  for (const auto& held : {pending_, before_, kept_}) {
    if (held) blobs_.release(*held);
  }
  if (latest_held_) blobs_.release(latest_);
}

Result<StatusBoard::Training> GlobalModel::next(aggregation::StreamingSum& sum, const CloseSum& action) {
  const auto started = Clock::now();
  aggregation::WeightingFacts facts;
  facts.contributors = sum.contributors();
  facts.members = action.members;
  facts.normaliser = normaliser_ > 0 ? normaliser_ : action.normaliser;
  facts.member_examples = action.member_examples;
  if (sum.layout().find(encoding::kExamples) != nullptr) {
    CONSILIUM_ASSIGN(const std::vector<std::uint64_t> examples, sum.counts(encoding::kExamples));
    facts.contributed_examples = examples[0];
  }
  CONSILIUM_ASSIGN(const double divisor, aggregation::mean_divisor(spec_.weighting, facts));
  StatusBoard::Training training;
  CONSILIUM_ASSIGN(const std::vector<std::uint64_t> clipped, sum.counts(encoding::kClipped));
  training.clipped = clipped[0];
  training.coordinates = facts.contributors * manifest_.update_size();
  // If the numbers of examples are known, the loss is the contributors' own mean, whatever the model's weighting.
  const auto loss_divisor =
      facts.contributed_examples > 0 ? aggregation::mean_divisor(job::Weighting::kCohort, facts) : divisor;
  CONSILIUM_TRY(loss_divisor);
  CONSILIUM_ASSIGN(const std::vector<float> loss, sum.values(encoding::kLoss, *loss_divisor));
  training.loss = loss[0];
  CONSILIUM_ASSIGN(const std::span<const float> delta, sum.decode_parameters(divisor));
  CONSILIUM_ASSIGN(training.model, apply(delta));
  training.seconds_to_commit = std::chrono::duration<double>(Clock::now() - started).count();
  return training;
}

Result<crypto::Digest> GlobalModel::apply(std::span<const float> delta) {
  CONSILIUM_TRY(load());
  CONSILIUM_TRY(aggregation::apply_update(*strategy_, manifest_, delta, parameters_, parameters_, server_state_));
  CONSILIUM_ASSIGN(const crypto::Digest digest, blobs_.put(std::as_bytes(std::span(parameters_))));
  blobs_.retain(digest);
  if (pending_) blobs_.release(*pending_);
  pending_ = digest;
  return digest;
}

Result<void> GlobalModel::load() {
  if (!parameters_.empty()) return {};
  parameters_.resize(manifest_.parameter_count());
  const auto bytes = std::as_writable_bytes(std::span(parameters_));
  CONSILIUM_ASSIGN(const std::size_t read, blobs_.read(latest_, 0, bytes));
  if (read == bytes.size()) return {};
  return fail(ErrorCode::kDataLoss, fmt::format("the global model {} has {} bytes, expected {}",
                                                crypto::to_hex(latest_), read, bytes.size()));
}

void GlobalModel::publish(const crypto::Digest& model) {
  pending_.reset();
  if (const auto older = std::exchange(before_, latest_)) blobs_.release(*older);
  latest_ = model;
  published_ = true;
}

void GlobalModel::keep(const crypto::Digest& model) {
  blobs_.retain(model);
  if (const auto former = std::exchange(kept_, model)) blobs_.release(*former);
}

std::optional<crypto::Digest> GlobalModel::end() {
  parameters_ = ParameterVector();
  if (const auto kept = std::exchange(kept_, std::nullopt)) return kept;
  if (!published_) return std::nullopt;
  latest_held_ = false;
  return latest_;
}

}  // namespace consilium::round
