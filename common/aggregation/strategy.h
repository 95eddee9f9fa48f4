#pragma once

#include <memory>
#include <span>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"

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
  /// Makes the next global model of the present one and the mean delta.
  /// @param mean_delta,model,next  parameter_count floats, same order; `next` may lie where one of the others does
  virtual Result<void> apply(std::span<const float> mean_delta, std::span<const float> model, std::span<float> next,
                             ServerState& state) const = 0;
  /// Is the update of a site that ran out of time used (FedProx), or dropped (FedAvg)?
  [[nodiscard]] virtual bool keeps_partial_work() const = 0;
};

/// Makes the strategy that the job names.
[[nodiscard]] std::unique_ptr<MeanStrategy> make_strategy(const job::StrategySpec& spec);

}  // namespace consilium::aggregation
