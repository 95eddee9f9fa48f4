#pragma once

#include <string>
#include <vector>

#include "common/report/report_files.h"

namespace consilium::cli {

/// Writes a comparison side by side: lines that begin with `alone`, `federated`, `pooled`, each with the first
/// two metrics on the same test examples, and one for each site alone (but for many sites: the best and the worst).
[[nodiscard]] std::vector<std::string> comparison_lines(const report::Comparison& comparison);

/// Is the federated model better than the mean of the sites alone, by the first metric? False where either is missing.
[[nodiscard]] bool federated_is_better(const report::Comparison& comparison);

}  // namespace consilium::cli
