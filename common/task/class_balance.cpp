#include "common/task/class_balance.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

namespace consilium::task {

std::vector<double> balanced_weights(TaskKind kind, const LabelCounts& counts) {
  const auto all = static_cast<double>(counts.examples);
  std::vector<double> weights;
  for (const std::uint64_t holding : counts.classes) {
    const auto held = static_cast<double>(holding);
    double weight = 1.0;
    if (holding > 0) {
      weight = kind == TaskKind::kMultiLabel ? (all - held) / held
                                             : all / (static_cast<double>(counts.classes.size()) * held);
    }
    weights.push_back(std::clamp(weight, 1.0 / kMostBalancedWeight, kMostBalancedWeight));
  }
  return weights;
}

LossSpec with_weights(LossSpec loss, TaskKind kind, const LabelCounts& counts) {
  if (!loss.balanced) return loss;
  loss.balanced = false;
  loss.class_weights = balanced_weights(kind, counts);
  return loss;
}

Result<void> check(const LabelCounts& counts, std::uint64_t classes) {
  if (counts.classes.size() != classes) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("label counts: expected one for each of {} classes, found {}",
                                                         classes, counts.classes.size()));
  }
  if (counts.examples == 0) return fail(ErrorCode::kInvalidArgument, "label counts: expected at least one example");
  if (std::ranges::max(counts.classes) > counts.examples)
    return fail(ErrorCode::kInvalidArgument, "label counts: a class has more examples than were counted");
  return {};
}

}  // namespace consilium::task
