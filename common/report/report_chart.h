#pragma once

#include "common/report/line_chart.h"
#include "common/report/report_files.h"

namespace consilium::report {

/// Returns the curves of a run: a panel of losses and, if something was evaluated, one of the first two other metrics,
/// with a comparison's results as levels.
[[nodiscard]] Chart chart_of(const Report& report);

}  // namespace consilium::report
