#pragma once

#include <memory>
#include <span>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::aggregation {

/// State that a strategy carries from round to round (momenta, second moments). It's checkpointed beside the model.
using ServerState = std::vector<std::vector<float>>;

/// Returns the SHA-256 over a strategy's state: for each vector its length, then its values.
[[nodiscard]] crypto::Digest state_digest(const ServerState& state);

/// A strategy that needs only the weighted mean of the updates, which is the only kind that works with secure
/// aggregation. A strategy that needs each site's update (median, Krum) will be another type. Strategies are pure: they
/// use no protobuf, torch, clock or logger.
class MeanStrategy {
 public:
  virtual ~MeanStrategy() = default;
  /// Computes the next global model from the present one and the mean delta. Called by apply_update().
  /// @param mean_delta,model,next  of equal size and in the same order: the parameters that updates hold. `next` may be
  ///                               the same memory as one of the others.
  virtual Result<void> apply(std::span<const float> mean_delta, std::span<const float> model, std::span<float> next,
                             ServerState& state) const = 0;
};

/// Creates the strategy that the job names; job::strategies() describes it.
[[nodiscard]] std::unique_ptr<MeanStrategy> make_strategy(const job::StrategySpec& spec);

/// Computes the next global model from the mean of the updates. The strategy changes only what updates hold; frozen and
/// local tensors keep their exact bytes. The coordinator and the sites both call this, so that they get the same model.
/// @param mean_delta   manifest.update_size() floats
/// @param model, next  manifest.parameter_count() floats each. `next` may be the same memory as `model`, and the same
///               as `mean_delta` if updates hold every parameter. Fails with kInternal if one of the three has another
///               size.
Result<void> apply_update(const MeanStrategy& strategy, const ParameterManifest& manifest,
                          std::span<const float> mean_delta, std::span<const float> model, std::span<float> next,
                          ServerState& state);

}  // namespace consilium::aggregation
