#pragma once

#include <string>
#include <string_view>

#include "common/report/report_files.h"

/// The sections of report.html, each as HTML; "" where a run has nothing for it.
namespace consilium::report {

/// Where example predictions stand in a page (example_predictions.h). No escaped text has these characters.
inline constexpr std::string_view kExamplesBegin = "<!-- example predictions -->";
inline constexpr std::string_view kExamplesEnd = "<!-- end of example predictions -->";

/// A metric's value for people, with its error bound where that shows: "0.912 ± 0.004".
[[nodiscard]] std::string value_text(const task::Metric& metric);
/// The evaluation that the page tells of: that of the job's own model, which may be an earlier round's
/// (evaluation.keep), or the last one where that model wasn't evaluated; nullptr where nothing was.
[[nodiscard]] const RoundRecord* evaluation_of(const JobStatus& status);

/// What training together brought: the federation's model beside those of sites alone and of all data in one place.
[[nodiscard]] std::string comparison_section(const Report& report);
/// The last evaluation: every metric, and its tables of counts.
[[nodiscard]] std::string evaluation_section(const Report& report);
/// Each site, what it does or did, and in how many rounds its update counted; without masks also its own metrics.
[[nodiscard]] std::string sites_section(const Report& report);
/// What the run's privacy settings were, and what follows from them for a reader.
[[nodiscard]] std::string privacy_section(const Report& report);
/// What it takes to make the same model again: digests, versions, the whole job.
[[nodiscard]] std::string reproduction_section(const Report& report);

}  // namespace consilium::report
