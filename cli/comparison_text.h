#pragma once

#include <string>
#include <vector>

#include "common/report/report_files.h"

namespace consilium::cli {

/// Writes a comparison side by side: lines that begin with `alone`, `federated`, `pooled`, each with accuracy and AUC
/// on the same test examples, and one for each site alone (but for many sites: the best and the worst).
[[nodiscard]] std::vector<std::string> comparison_lines(const report::Comparison& comparison);

/// Is the federated model more accurate than the mean of the sites alone? False where either is missing.
[[nodiscard]] bool federated_is_better(const report::Comparison& comparison);

}  // namespace consilium::cli
