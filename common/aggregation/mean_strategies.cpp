#include <spdlog/fmt/fmt.h>

#include <Eigen/Core>
#include <algorithm>
#include <exception>

#include "common/aggregation/strategy.h"

namespace consilium::aggregation {

namespace {

Eigen::Map<const Eigen::ArrayXf> array_of(std::span<const float> values) {
  return {values.data(), static_cast<Eigen::Index>(values.size())};
}

Eigen::Map<Eigen::ArrayXf> array_of(std::span<float> values) {
  return {values.data(), static_cast<Eigen::Index>(values.size())};
}

/// McMahan et al. 2017, Algorithm 1: the next model is the weighted mean of the local ones. The server's part of
/// FedProx (Li et al. 2020, "Federated Optimization in Heterogeneous Networks", Algorithm 2) is the same; its proximal
/// term belongs to the sites' loss.
class WeightedMean final : public MeanStrategy {
 public:
  Result<void> apply(std::span<const float> mean_delta, std::span<const float> model, std::span<float> next,
                     ServerState&) const override {
    if (mean_delta.size() != model.size() || next.size() != model.size()) {
      return fail(
          ErrorCode::kInternal,
          fmt::format("expected as many parameters in the mean, the model and the next model, found {}, {} and {}",
                      mean_delta.size(), model.size(), next.size()));
    }
    array_of(next) = array_of(model) + array_of(mean_delta);
    return {};
  }
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
  switch (spec.kind) {
    case job::StrategyKind::kFedAvg:
    case job::StrategyKind::kFedProx:
      return std::make_unique<WeightedMean>();
  }
  std::terminate();  // a value that the enumeration doesn't have
}

Result<void> apply_update(const MeanStrategy& strategy, const ParameterManifest& manifest,
                          std::span<const float> mean_delta, std::span<const float> model, std::span<float> next,
                          ServerState& state) {
  if (model.size() != manifest.parameter_count() || next.size() != model.size()) {
    return fail(ErrorCode::kInternal,
                fmt::format("the model has {} parameters and the next model {}; both must have {}", model.size(),
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
