#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/parameters/parameter_manifest.h"
#include "common/report/job_status.h"
#include "common/report/masking_cost.h"
#include "common/task/metrics.h"

namespace consilium::report {

/// Final models that were trained in different ways, all evaluated on the same examples.
struct Comparison {
  job::Split split = job::Split::kTest;
  std::map<std::string, task::Metrics> alone;  ///< each site trained by itself, with the same rounds and epochs
  std::optional<task::Metrics> ensemble;       ///< the averaged predictions of the models of `alone`
  std::optional<task::Metrics> federated;
  std::optional<task::Metrics> pooled;  ///< one site that holds all training data
  /// By metric: intervals of the mean over the models of `alone`, and of the federation's model minus that mean.
  std::map<std::string, task::Interval> alone_intervals;
  std::map<std::string, task::Interval> gain_intervals;
  /// The federation's model fine-tuned at one site. If present, it and `federated` are evaluated on that site's
  /// examples only.
  std::optional<task::Metrics> personal{};
  std::map<std::string, task::Interval> personal_gain_intervals{};  ///< of `personal` minus `federated`

  [[nodiscard]] bool empty() const { return alone.empty() && !ensemble && !federated && !pooled && !personal; }
};

/// Returns the mean over the models of `alone`, with its intervals.
[[nodiscard]] task::Metrics mean_of_alone(const Comparison& comparison);
/// Returns, for the first metric, the federation's model minus the mean of the sites alone, with its interval. Returns
/// nullopt if one of the two is missing. The metric says whether higher is better.
[[nodiscard]] std::optional<task::Metric> gain_of(const Comparison& comparison);
/// Returns the same for the fine-tuned model minus the federation's.
[[nodiscard]] std::optional<task::Metric> personal_gain_of(const Comparison& comparison);

/// Averages each metric over the sites that have it, with equal weights. Examples and tables are left empty.
[[nodiscard]] task::Metrics mean_over_sites(const std::map<std::string, task::Metrics>& sites);

/// Everything that a run's report is made from.
struct Report {
  job::JobSpec spec;
  JobStatus status;
  Comparison comparison;
  std::map<std::string, std::string> versions;  ///< program -> version
  bool plain_simulation = false;     ///< a masked job was simulated by the plain sum, which gives the same bytes
  std::vector<MaskingCost> masking;  ///< filled if the protocol itself was simulated
};

/// Returns the metrics of one evaluation as in report.json, on one line.
[[nodiscard]] std::string metrics_json(const task::Metrics& metrics);
/// Returns the text of report.json (docs/formats/report.md).
[[nodiscard]] std::string report_json(const Report& report);
/// Returns one round as in report.json, on one line.
/// @param split  name of the evaluated split, which becomes the evaluation's key ("val")
[[nodiscard]] std::string round_json(const RoundRecord& record, const std::string& split);
/// Returns a comparison as in report.json, on one line, or "null" if it is empty.
[[nodiscard]] std::string comparison_json(const Comparison& comparison);
/// Returns the text of metrics.csv: one row for each round, a column for each metric that a round has, and another for
/// its error bound if it isn't exact. A field is empty if nothing was measured.
[[nodiscard]] std::string metrics_csv(const Report& report);
/// Draws curves.svg: loss and metric by round, with comparisons as dashed levels.
[[nodiscard]] std::string curves_svg(const Report& report);

/// Returns the text of report.html: a page that needs no network, no script and no other file, for screens of any width
/// and for print. For a masked job it shows no number of a single site. All text is escaped, whatever its source.
[[nodiscard]] std::string report_html(const Report& report);

/// Names of the files that write_report_folder() writes.
inline constexpr const char* kModelFile = "model.safetensors";
inline constexpr const char* kReportFile = "report.json";
inline constexpr const char* kMetricsFile = "metrics.csv";
inline constexpr const char* kCurvesFile = "curves.svg";
inline constexpr const char* kPageFile = "report.html";

/// Writes report.json, report.html, metrics.csv and curves.svg, and model.safetensors unless `model` is empty. If
/// `model` is empty, deletes an existing model.safetensors. Writes each file to a temporary file and renames it.
/// Creates the folder. Errors name the file that can't be written.
Result<void> write_report_folder(const std::filesystem::path& folder, const Report& report,
                                 const ParameterManifest& manifest, std::span<const float> model);

}  // namespace consilium::report
