#pragma once

#include <string_view>
#include <vector>

#include "common/task/task_spec.h"

namespace consilium::task {

/// Returns the metrics by which a job of this task may choose a round, in the order of its reports: all except those of
/// single labels. An evaluation may lack some of them (a sensitivity without positives, a distance without hits).
[[nodiscard]] std::vector<std::string_view> metric_names(const TaskSpec& spec);

}  // namespace consilium::task
