#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/job/job_spec.h"

namespace consilium::policy {

/// A masked update of fewer coordinates than these is not looked at for few sizes (session/inseparable.h): a person
/// looks at its job.
inline constexpr std::size_t kFewestCoordinates = 10'000;

/// Says what of a job's numbers can make an update, or a sum of few hospitals', tell of single images or of one
/// hospital, in words for whoever approves jobs. Such a job needs a person's approval, whoever asks.
[[nodiscard]] std::vector<std::string> unusual_terms(const job::JobSpec& job);

/// "a learning rate of 0.1", the job's lowest; with a gradient clip that makes its steps smaller, "steps of 0.001 (a
/// learning rate of 0.1, gradients clipped to 0.01)".
[[nodiscard]] std::string steps_in_words(const job::JobSpec& job);

}  // namespace consilium::policy
