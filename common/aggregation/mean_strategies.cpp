#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "common/aggregation/strategy.h"

namespace consilium::aggregation {

namespace {

Result<void> add(std::span<const float> mean_delta, std::span<const float> model, std::span<float> next) {
  if (mean_delta.size() != model.size() || next.size() != model.size()) {
    return fail(ErrorCode::kInternal, fmt::format("a mean of {} parameters for a model of {}, into {}",
                                                  mean_delta.size(), model.size(), next.size()));
  }
  std::ranges::transform(mean_delta, model, next.begin(), [](float delta, float value) { return value + delta; });
  return {};
}

/// McMahan et al. 2017, Algorithm 1: the next model is the weighted mean of the local ones.
class FedAvg final : public MeanStrategy {
 public:
  Result<void> apply(std::span<const float> mean_delta, std::span<const float> model, std::span<float> next,
                     ServerState&) const override {
    return add(mean_delta, model, next);
  }
  [[nodiscard]] bool keeps_partial_work() const override { return false; }
};

/// Li et al. 2020, "Federated optimization in heterogeneous networks", Algorithm 2: the proximal term is the trainer's;
/// the server averages as FedAvg does, and keeps partial work.
class FedProx final : public MeanStrategy {
 public:
  Result<void> apply(std::span<const float> mean_delta, std::span<const float> model, std::span<float> next,
                     ServerState&) const override {
    return add(mean_delta, model, next);
  }
  [[nodiscard]] bool keeps_partial_work() const override { return true; }
};

}  // namespace

crypto::Digest state_digest(const ServerState& state) {
  crypto::Sha256 hash;
  for (const std::vector<float>& values : state) {
    const std::uint64_t size = values.size();
    hash.update(std::as_bytes(std::span(&size, 1)));
    hash.update(std::as_bytes(std::span(values)));
  }
  return hash.finish();
}

std::unique_ptr<MeanStrategy> make_strategy(const job::StrategySpec& spec) {
  if (spec.kind == job::StrategyKind::kFedProx) return std::make_unique<FedProx>();
  return std::make_unique<FedAvg>();
}

Result<void> apply_update(const MeanStrategy& strategy, const ParameterManifest& manifest,
                          std::span<const float> mean_delta, std::span<const float> model, std::span<float> next,
                          ServerState& state) {
  if (model.size() != manifest.parameter_count() || next.size() != model.size()) {
    return fail(ErrorCode::kInternal, fmt::format("a model of {} parameters, into {}, expected {}", model.size(),
                                                  next.size(), manifest.parameter_count()));
  }
  if (manifest.update_size() == manifest.parameter_count()) return strategy.apply(mean_delta, model, next, state);
  std::vector<float> updated;
  updated.reserve(manifest.update_size());
  for (const TensorRun& run : manifest.update_runs()) {
    const auto part = model.subspan(run.offset, run.size);
    updated.insert(updated.end(), part.begin(), part.end());
  }
  CONSILIUM_TRY(strategy.apply(mean_delta, updated, updated, state));
  if (next.data() != model.data()) std::ranges::copy(model, next.begin());
  std::span<const float> rest = updated;
  for (const TensorRun& run : manifest.update_runs()) {
    std::ranges::copy(rest.first(run.size), next.begin() + static_cast<std::ptrdiff_t>(run.offset));
    rest = rest.subspan(run.size);
  }
  return {};
}

}  // namespace consilium::aggregation
