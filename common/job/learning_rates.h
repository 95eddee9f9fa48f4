#pragma once

#include <string_view>
#include <utility>

#include "common/job/job_spec.h"

namespace consilium::job {

/// Returns the factor of the learning rate of a tensor, or of its layer.
[[nodiscard]] double rate_factor(const RateFactors& factors, std::string_view tensor);

/// Returns the lowest and the highest learning rate of all rounds and layers. Every schedule only rises during the
/// warm-up and only falls afterwards, so the extremes are among the first round, the first one after the warm-up and
/// the last of this job. The cost is therefore the same for a million rounds. The factor 1 is always included, whether
/// or not a layer has it.
[[nodiscard]] std::pair<double, double> learning_rates(const JobSpec& job);

/// Returns the lowest learning rate, reduced if the gradient clip makes steps smaller. A step of SGD is the rate times
/// the gradient, so a norm below 1 reduces it. Adam divides by the gradient's own size plus epsilon, so only a norm
/// below epsilon does.
[[nodiscard]] double smallest_step(const JobSpec& job);

}  // namespace consilium::job
