#pragma once

#include <memory>
#include <span>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::aggregation {

/// State that a strategy carries from round to round (momenta, second moments); checkpointed beside the model.
using ServerState = std::vector<std::vector<float>>;

/// SHA-256 over a strategy's state: its vectors, each after its length.
[[nodiscard]] crypto::Digest state_digest(const ServerState& state);

/// A strategy that needs only the weighted mean of the updates: the only kind that may meet secure aggregation.
/// Strategies that need each site's update (median, Krum) will be another type. Pure: no protobuf, torch, clock or
/// logger.
class MeanStrategy {
 public:
  virtual ~MeanStrategy() = default;
  /// Makes the next global model of the present one and the mean delta; apply_update() calls it.
  /// @param mean_delta,model,next  as many floats, same order: all that isn't frozen of the model; `next` may lie where
  ///                               one of the others does
  virtual Result<void> apply(std::span<const float> mean_delta, std::span<const float> model, std::span<float> next,
                             ServerState& state) const = 0;
};

/// Makes the strategy that the job names; job::strategies() describes it.
[[nodiscard]] std::unique_ptr<MeanStrategy> make_strategy(const job::StrategySpec& spec);

/// Makes the next global model of the mean of updates: the strategy changes what updates hold, and frozen tensors stay
/// bit for bit. Coordinator and sites call it, so that both get the same model.
/// @param mean_delta   manifest.update_size() floats
/// @param model, next  manifest.parameter_count() floats; `next` may lie where `model` does, or `mean_delta` if nothing
///                     is frozen. kInternal where one of the three has another size
Result<void> apply_update(const MeanStrategy& strategy, const ParameterManifest& manifest,
                          std::span<const float> mean_delta, std::span<const float> model, std::span<float> next,
                          ServerState& state);

}  // namespace consilium::aggregation
