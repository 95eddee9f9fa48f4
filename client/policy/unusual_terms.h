#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/job/job_spec.h"

namespace consilium::policy {

/// The size check on masked updates (session/inseparable.h) skips updates that have fewer coordinates than this. A
/// person reviews such a job instead.
inline constexpr std::size_t kFewestCoordinates = 10'000;

/// Describes, for the people who approve jobs, which of a job's numbers can make an update, or a sum over few
/// hospitals, reveal something about single images or about one hospital. Such a job needs a person's approval, whoever
/// submits it.
[[nodiscard]] std::vector<std::string> unusual_terms(const job::JobSpec& job);

/// Returns "a learning rate of 0.1", the job's lowest. If a gradient clip makes its steps smaller, returns "steps of
/// 0.001 (a learning rate of 0.1, gradients clipped to 0.01)".
[[nodiscard]] std::string steps_in_words(const job::JobSpec& job);

}  // namespace consilium::policy
