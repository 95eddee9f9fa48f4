#pragma once

#include <string>
#include <vector>

#include "common/report/report_files.h"

namespace consilium::cli {

/// Formats a comparison side by side. The lines begin with `alone`, `federated` and `pooled`, and give the first two
/// metrics on the same test examples. There is also a line for each site alone (if there are many sites: only the best
/// and the worst).
[[nodiscard]] std::vector<std::string> comparison_lines(const report::Comparison& comparison);

/// Returns true if the federated model is better than the mean of the sites alone, by the first metric. Returns false
/// if either is missing.
[[nodiscard]] bool federated_is_better(const report::Comparison& comparison);

}  // namespace consilium::cli
