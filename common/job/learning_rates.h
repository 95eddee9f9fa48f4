#pragma once

#include <string_view>
#include <utility>

#include "common/job/job_spec.h"

namespace consilium::job {

/// What the learning rate of a tensor, or of its layer, is multiplied by.
[[nodiscard]] double rate_factor(const RateFactors& factors, std::string_view tensor);

/// The lowest and the highest learning rate of all rounds and layers. Every schedule only rises while it warms up and
/// only falls afterwards, so they are among those of the first round, the first one after the warm-up and the last: it
/// costs nothing for a million rounds either. The factor 1 counts among those of layers, whether or not one has it.
[[nodiscard]] std::pair<double, double> learning_rates(const JobSpec& job);

/// The lowest learning rate, made smaller by a gradient clip that keeps steps below it. A step of sgd is the rate times
/// the gradient, so a norm below 1 does. Adam divides by the gradient's own size plus epsilon, so a norm below epsilon
/// does.
[[nodiscard]] double smallest_step(const JobSpec& job);

}  // namespace consilium::job
