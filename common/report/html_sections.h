#pragma once

#include <string>
#include <string_view>

#include "common/report/report_files.h"

/// The sections of report.html, each as HTML. A section is "" if a run has nothing for it.
namespace consilium::report {

/// Markers around the example predictions in a page (example_predictions.h). Escaped text never contains them.
inline constexpr std::string_view kExamplesBegin = "<!-- example predictions -->";
inline constexpr std::string_view kExamplesEnd = "<!-- end of example predictions -->";

/// Formats a metric's value for people, with its error bound if it is large enough to show: "0.912 ± 0.004".
[[nodiscard]] std::string value_text(const task::Metric& metric);
/// Returns the evaluation that the page describes: that of the job's final model, which may be an earlier round's
/// (evaluation.keep), or the last evaluation if that model wasn't evaluated. Returns nullptr if nothing was evaluated.
[[nodiscard]] const RoundRecord* evaluation_of(const JobStatus& status);

/// Shows the benefit of training together: the federation's model compared with models of single sites and of pooled
/// data.
[[nodiscard]] std::string comparison_section(const Report& report);
/// Shows the evaluation of evaluation_of(): every metric, and its tables of counts.
[[nodiscard]] std::string evaluation_section(const Report& report);
/// Lists each site, its current or last activity, and in how many rounds its update counted; without masks also its
/// metrics.
[[nodiscard]] std::string sites_section(const Report& report);
/// Shows the run's privacy settings, and what they imply for a reader.
[[nodiscard]] std::string privacy_section(const Report& report);
/// Lists what is needed to reproduce the model: digests, versions, the whole job.
[[nodiscard]] std::string reproduction_section(const Report& report);

}  // namespace consilium::report
