#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "common/job/job_spec.h"

namespace consilium::job {

/// A number that a strategy takes. A job must give it, under `key` in the map `strategy`, and it is never negative.
struct StrategyParameter {
  std::string_view key;
  double StrategySpec::*value;
};

/// What the coordinator needs of a cohort to make the next model.
enum class StrategyInput : std::uint8_t {
  kMean,         ///< the weighted mean of the updates, so that the updates can be masked
  kEveryUpdate,  ///< each site's update, so that the updates can't be masked
};

/// Describes a strategy. The parser and the canonical text of a job, the order of a round, hospitals' policies, the
/// sandbox, reports and error messages all take from this table what they need to know of a strategy.
/// aggregation::make_strategy() makes the arithmetic on the server.
struct StrategyTraits {
  StrategyKind kind;
  std::string_view name;   ///< as jobs and policies write it
  std::string_view title;  ///< as its authors write it
  std::span<const StrategyParameter> parameters;
  /// The parameter that is the coefficient of a proximal term in the sites' loss; nullptr: sites minimise their plain
  /// loss.
  double StrategySpec::*proximal_term;
  bool keeps_partial_work;  ///< whether the update of a site that ran out of time is used
  bool keeps_server_state;  ///< whether the coordinator keeps a state (momenta, say) from round to round
  StrategyInput input;
};

/// Returns every strategy, in the order in which texts list them.
[[nodiscard]] std::span<const StrategyTraits> strategies();
/// Returns the row of a strategy. `kind` must be one of the enumeration's values.
[[nodiscard]] const StrategyTraits& traits_of(StrategyKind kind);
/// Returns the names of the strategies for which `wanted` returns true, separated by ", ".
[[nodiscard]] std::string strategy_names(const std::function<bool(const StrategyTraits&)>& wanted);

/// Refuses a strategy that needs every site's update for a job whose updates are masked. Fails with kInvalidArgument,
/// without naming the key, which the caller adds.
Result<void> check_maskable(const StrategyTraits& strategy, bool masked);

}  // namespace consilium::job
