#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/live_view.h"
#include "common/report/job_status.h"

namespace consilium::cli {

/// Formats jobs as a table: a heading, and one line for each job. The columns are as wide as their contents. On a
/// terminal no line is wider than the screen: the last column, the reason or the last evaluation, is cut with an
/// ellipsis. On a narrow terminal the dates have no year and the gaps between columns are smaller. Elsewhere nothing is
/// cut. Removes control characters from text written by peers.
/// @param now_seconds  Unix time, for the durations of jobs that haven't ended
[[nodiscard]] std::vector<std::string> jobs_lines(const std::vector<report::JobStatus>& jobs, std::uint64_t now_seconds,
                                                  const Screen& screen);

}  // namespace consilium::cli
