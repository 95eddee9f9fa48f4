#pragma once

#include <string>
#include <vector>

#include "common/job/job_spec.h"

namespace consilium::policy {

/// Says what of a job's numbers can make an update, or a sum of few hospitals', tell of single images or of one
/// hospital, in words for whoever approves jobs. Such a job needs a person's approval, whoever asks.
[[nodiscard]] std::vector<std::string> unusual_terms(const job::JobSpec& job);

}  // namespace consilium::policy
