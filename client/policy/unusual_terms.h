#pragma once

#include <string>
#include <vector>

#include "common/job/job_spec.h"

namespace consilium::policy {

/// Says what of a masked job's numbers can make a sum of few hospitals tell of one of them, in words for whoever
/// approves jobs. Such a job needs a person's approval, whoever asks. Empty for jobs without masks, where the
/// coordinator sees each update as it is.
[[nodiscard]] std::vector<std::string> unusual_terms(const job::JobSpec& job);

}  // namespace consilium::policy
