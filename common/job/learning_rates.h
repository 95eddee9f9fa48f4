#pragma once

#include <utility>

#include "common/job/job_spec.h"

namespace consilium::job {

/// The lowest and the highest learning rate of all rounds. Every schedule only falls, so they are those of the last and
/// the first round: it costs nothing for a million rounds either.
[[nodiscard]] std::pair<double, double> learning_rates(const JobSpec& job);

}  // namespace consilium::job
