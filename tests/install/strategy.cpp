// A plug-in author's first program: a strategy of their own beside one of ours, linked with the installed package.
#include "common/aggregation/strategy.h"

#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

#include "common/job/job_spec.h"

namespace {

using namespace consilium;

/// Applies half of the change.
class HalfMean final : public aggregation::MeanStrategy {
 public:
  Result<void> apply(std::span<const float> mean_delta, std::span<const float> model, std::span<float> next,
                     aggregation::ServerState&) const override {
    for (std::size_t i = 0; i < model.size(); ++i) next[i] = model[i] + mean_delta[i] / 2;
    return {};
  }
};

float stepped(const aggregation::MeanStrategy& strategy) {
  const std::vector<float> model = {1.0F}, mean_delta = {2.0F};
  std::vector<float> next(1);
  aggregation::ServerState state;
  return strategy.apply(mean_delta, model, next, state) ? next[0] : NAN;
}

}  // namespace

int main() {
  const std::unique_ptr<aggregation::MeanStrategy> fedavg = aggregation::make_strategy(job::StrategySpec{});
  std::printf("%g %g\n", stepped(*fedavg), stepped(HalfMean{}));
}
