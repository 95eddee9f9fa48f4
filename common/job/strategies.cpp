#include "common/job/strategies.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <exception>

namespace consilium::job {
namespace {

/// Li et al. 2020, "Federated Optimization in Heterogeneous Networks", equation 2.
constexpr std::array kFedProxParameters{StrategyParameter{"mu", &StrategySpec::mu}};

constexpr std::array kStrategies{
    // McMahan et al. 2017, Algorithm 1.
    StrategyTraits{.kind = StrategyKind::kFedAvg,
                   .name = "fedavg",
                   .title = "FedAvg",
                   .parameters = {},
                   .proximal_term = nullptr,
                   .keeps_partial_work = false,
                   .keeps_server_state = false,
                   .input = StrategyInput::kMean},
    // Li et al. 2020, Algorithm 2.
    StrategyTraits{.kind = StrategyKind::kFedProx,
                   .name = "fedprox",
                   .title = "FedProx",
                   .parameters = kFedProxParameters,
                   .proximal_term = &StrategySpec::mu,
                   .keeps_partial_work = true,
                   .keeps_server_state = false,
                   .input = StrategyInput::kMean},
};

}  // namespace

std::span<const StrategyTraits> strategies() { return kStrategies; }

const StrategyTraits& traits_of(StrategyKind kind) {
  const auto* const found = std::ranges::find(kStrategies, kind, &StrategyTraits::kind);
  if (found == kStrategies.end()) std::terminate();  // a value that the enumeration doesn't have
  return *found;
}

std::string strategy_names(const std::function<bool(const StrategyTraits&)>& wanted) {
  std::string names;
  for (const StrategyTraits& strategy : kStrategies) {
    if (wanted(strategy)) names.append(names.empty() ? "" : ", ").append(strategy.name);
  }
  return names;
}

Result<void> check_maskable(const StrategyTraits& strategy, bool masked) {
  if (!masked || strategy.input == StrategyInput::kMean) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{} needs the update of every single site, which secure aggregation hides; write one of {}, "
                          "or privacy.secure_aggregation: off",
                          strategy.name, strategy_names([](const StrategyTraits& other) {
                            return other.input == StrategyInput::kMean;
                          })));
}

}  // namespace consilium::job
