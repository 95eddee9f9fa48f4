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

/// Final models that were trained differently, all evaluated on the same examples.
struct Comparison {
  job::Split split = job::Split::kTest;
  std::map<std::string, task::Metrics> alone;  ///< each site trained by itself, with the same rounds and epochs
  std::optional<task::Metrics> ensemble;       ///< the mean of what the models of `alone` predict
  std::optional<task::Metrics> federated;
  std::optional<task::Metrics> pooled;  ///< one site that holds everybody's training data
  /// By metric: of the mean over the models of `alone`, and of what the federation's model has more than it.
  std::map<std::string, task::Interval> alone_intervals;
  std::map<std::string, task::Interval> gain_intervals;
  /// The federation's model fine-tuned at one site; it and `federated` are of that site's examples alone then.
  std::optional<task::Metrics> personal{};
  std::map<std::string, task::Interval> personal_gain_intervals{};  ///< of what it has more than `federated`

  [[nodiscard]] bool empty() const { return alone.empty() && !ensemble && !federated && !pooled && !personal; }
};

/// The mean over the models of `alone`, with its intervals.
[[nodiscard]] task::Metrics mean_of_alone(const Comparison& comparison);
/// By the first metric, what the federation's model has more than the mean of the sites alone, with its interval;
/// nothing where there is no such pair. Whether more is better the metric says.
[[nodiscard]] std::optional<task::Metric> gain_of(const Comparison& comparison);
/// The same of a fine-tuned model against the federation's.
[[nodiscard]] std::optional<task::Metric> personal_gain_of(const Comparison& comparison);

/// Averages each metric over the sites that have it, each site counting alike; examples and tables are left empty.
[[nodiscard]] task::Metrics mean_over_sites(const std::map<std::string, task::Metrics>& sites);

/// What a run is reported from.
struct Report {
  job::JobSpec spec;
  JobStatus status;
  Comparison comparison;
  std::map<std::string, std::string> versions;  ///< program -> version
  bool plain_simulation = false;     ///< a masked job was simulated by the plain sum, which gives the same bytes
  std::vector<MaskingCost> masking;  ///< where the protocol itself was simulated
};

/// Writes the metrics of one evaluation as report.json has them, on one line.
[[nodiscard]] std::string metrics_json(const task::Metrics& metrics);
/// Writes report.json's text (docs/formats/report.md).
[[nodiscard]] std::string report_json(const Report& report);
/// Writes one round as report.json has it, on one line.
/// @param split names the key under which the evaluation stands ("val")
[[nodiscard]] std::string round_json(const RoundRecord& record, const std::string& split);
/// Writes a comparison as report.json has it, on one line; "null" for an empty one.
[[nodiscard]] std::string comparison_json(const Comparison& comparison);
/// Writes metrics.csv's text: one row a round, a column for each metric that a round has, and for its error bound
/// where it isn't exact; an empty field where nothing was measured.
[[nodiscard]] std::string metrics_csv(const Report& report);
/// Draws curves.svg: loss and metric by round, comparisons as dashed levels.
[[nodiscard]] std::string curves_svg(const Report& report);

/// Writes report.html's text: a page that needs no network, no script and no other file, for a screen of any width and
/// for print. Of a masked job it has no number of a single site. Every text is escaped, whoever chose it.
[[nodiscard]] std::string report_html(const Report& report);

/// Names of the files that write_report_folder() leaves in a folder.
inline constexpr const char* kModelFile = "model.safetensors";
inline constexpr const char* kReportFile = "report.json";
inline constexpr const char* kMetricsFile = "metrics.csv";
inline constexpr const char* kCurvesFile = "curves.svg";
inline constexpr const char* kPageFile = "report.html";

/// Writes report.json, report.html, metrics.csv and curves.svg, and model.safetensors where `model` isn't empty (where
/// it is, one that lies there goes), each through a temporary file and rename. Makes the folder. Errors name the file
/// that can't be written.
Result<void> write_report_folder(const std::filesystem::path& folder, const Report& report,
                                 const ParameterManifest& manifest, std::span<const float> model);

}  // namespace consilium::report
