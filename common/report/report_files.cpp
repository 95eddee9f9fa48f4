#include "common/report/report_files.h"

#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

#include "common/files/files.h"
#include "common/job/job_text.h"
#include "common/parameters/safetensors.h"
#include "common/report/report_chart.h"

namespace consilium::report {
namespace {

using Json = nlohmann::ordered_json;

Json number_or_null(const std::optional<double>& value) {
  if (!value || !std::isfinite(*value)) return nullptr;
  return *value;
}

/// Returns the time in ISO 8601, in UTC, or "" if it isn't known.
std::string time_text(std::uint64_t unix_seconds) {
  if (unix_seconds == 0) return {};
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(unix_seconds)));
}

Json time_or_null(std::uint64_t unix_seconds) {
  if (unix_seconds == 0) return nullptr;
  return time_text(unix_seconds);
}

/// Returns metrics by name, each with its error bound if it isn't exact, and tables by name.
Json named_json(const task::Metrics& metrics, bool with_counts) {
  Json json = Json::object();
  for (const task::Metric& metric : metrics.values) {
    json[metric.name] = metric.value;
    if (metric.error != 0.0) json[metric.name + "_error"] = metric.error;
    if (metric.interval) json[metric.name + "_interval"] = {metric.interval->low, metric.interval->high};
  }
  if (with_counts) {
    json["examples"] = metrics.examples;
    for (const task::CountTable& table : metrics.tables) json[table.name] = table.counts;
  }
  return json;
}

Json sites_json(const std::map<std::string, task::Metrics>& sites) {
  Json json = Json::object();
  for (const auto& [site, metrics] : sites) json[site] = named_json(metrics, true);
  return json;
}

Json json_of_round(const RoundRecord& record, std::string_view split) {
  Json json = {{"round", record.round},
               {"cohort", record.cohort},
               {"contributed", record.contributed},
               {"partial", record.partial},
               {"failed", record.failed},
               {"evaluation_failed", record.evaluation_failed},
               {"started", time_or_null(record.started_seconds)},
               {"ended", time_or_null(record.ended_seconds)},
               {"seconds", record.seconds},
               {"evaluation_seconds", record.evaluation_seconds},
               {"bytes", record.bytes},
               {"train_loss", number_or_null(record.train_loss)},
               {"clipped", record.clipped},
               {"model", crypto::to_hex(record.model)}};
  if (record.metrics) {
    Json metrics = named_json(*record.metrics, true);
    if (!record.site_metrics.empty()) metrics["sites"] = sites_json(record.site_metrics);
    if (record.alone) metrics["alone"] = named_json(*record.alone, true);
    json[std::string(split)] = std::move(metrics);
  }
  return json;
}

Json gain_json(const task::Metric& gain) {
  Json json = {{"metric", gain.name}, {"value", gain.value}};
  if (gain.interval) json["interval"] = {gain.interval->low, gain.interval->high};
  return json;
}

Json json_of_comparison(const Comparison& comparison) {
  if (comparison.empty()) return nullptr;
  Json json = {{"split", job::name_of(comparison.split)}};
  if (!comparison.alone.empty()) {
    json["alone"] = named_json(mean_of_alone(comparison), false);
    json["alone"]["sites"] = sites_json(comparison.alone);
  }
  if (comparison.ensemble) json["ensemble"] = named_json(*comparison.ensemble, true);
  if (comparison.federated) json["federated"] = named_json(*comparison.federated, true);
  if (comparison.pooled) json["pooled"] = named_json(*comparison.pooled, true);
  if (comparison.personal) json["personal"] = named_json(*comparison.personal, true);
  if (const auto gain = gain_of(comparison)) json["gain"] = gain_json(*gain);
  if (const auto gain = personal_gain_of(comparison)) json["personal_gain"] = gain_json(*gain);
  return json;
}

/// Returns for each metric whether higher is better, for readers that don't know the metric.
Json directions_json(const History& history) {
  Json json = Json::object();
  for (const RoundRecord& record : history) {
    if (!record.metrics) continue;
    for (const task::Metric& metric : record.metrics->values)
      json[metric.name] = {{"higher_is_better", metric.higher_is_better}};
  }
  return json;
}

/// Returns the first round with the best value of the metric by which the job compares rounds.
Json best_round_json(const History& history, const std::string& name) {
  Json json = nullptr;
  double best = 0.0;
  for (const RoundRecord& record : history) {
    const task::Metric* metric = record.metrics ? record.metrics->find(name) : nullptr;
    if (metric == nullptr || !task::is_comparable(*metric)) continue;
    if (!json.is_null() && !(metric->higher_is_better ? metric->value > best : metric->value < best)) continue;
    best = metric->value;
    json = {{"round", record.round}, {"metric", name}, {"value", best}, {"model", crypto::to_hex(record.model)}};
  }
  return json;
}

Json clipped_json(const History& history) {
  std::uint64_t clipped = 0;
  std::uint64_t coordinates = 0;
  for (const RoundRecord& record : history) {
    clipped += record.clipped;
    coordinates += record.coordinates;
  }
  return {{"coordinates", clipped}, {"of", coordinates}};
}

std::string field(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? fmt::format("{}", *value) : std::string();
}

Result<void> write_text(const std::filesystem::path& file, std::string_view text) {
  return files::replace_file(file, std::as_bytes(std::span(text)), files::Access::kUmask);
}

}  // namespace

task::Metrics mean_over_sites(const std::map<std::string, task::Metrics>& sites) {
  task::Metrics mean;
  if (sites.empty()) return mean;
  for (const task::Metric& metric : sites.begin()->second.values) {
    task::Metric averaged = metric;
    averaged.value = averaged.error = 0.0;
    double having = 0.0;
    for (const auto& [site, metrics] : sites) {
      const task::Metric* found = metrics.find(metric.name);
      if (found == nullptr) continue;
      averaged.value += found->value;
      averaged.error += found->error;
      ++having;
    }
    averaged.value /= having;
    averaged.error /= having;
    mean.values.push_back(std::move(averaged));
  }
  return mean;
}

namespace {

/// Replaces the interval of a metric that was computed from others by its own.
void set_interval(const std::map<std::string, task::Interval>& intervals, task::Metric& metric) {
  const auto found = intervals.find(metric.name);
  metric.interval = found == intervals.end() ? std::nullopt : std::optional(found->second);
}

/// Returns, for the first metric, the value of one model minus that of another.
std::optional<task::Metric> difference(const task::Metrics& one, const task::Metrics& other,
                                       const std::map<std::string, task::Interval>& intervals) {
  const task::Metric* first = task::headline(one);
  const task::Metric* base = first == nullptr ? nullptr : other.find(first->name);
  if (base == nullptr) return std::nullopt;
  task::Metric gain = *first;
  gain.value -= base->value;
  gain.error += base->error;
  set_interval(intervals, gain);
  return gain;
}

}  // namespace

task::Metrics mean_of_alone(const Comparison& comparison) {
  task::Metrics mean = mean_over_sites(comparison.alone);
  for (task::Metric& metric : mean.values) set_interval(comparison.alone_intervals, metric);
  return mean;
}

std::optional<task::Metric> gain_of(const Comparison& comparison) {
  if (comparison.alone.empty() || !comparison.federated) return std::nullopt;
  return difference(*comparison.federated, mean_over_sites(comparison.alone), comparison.gain_intervals);
}

std::optional<task::Metric> personal_gain_of(const Comparison& comparison) {
  if (!comparison.personal || !comparison.federated) return std::nullopt;
  return difference(*comparison.personal, *comparison.federated, comparison.personal_gain_intervals);
}

namespace {

/// Describes whether the sums were masked, and the cost of masking.
Json masks_json(const Report& report) {
  if (!job::is_masked(report.spec)) return "off: the coordinator saw each site's vectors";
  if (report.plain_simulation)
    return "simulated by the plain sum, which gives the same bytes; --secure runs the protocol";
  if (report.masking.empty()) return "on";
  Json steps = Json::array();
  for (const MaskingCost& cost : report.masking) {
    steps.push_back(
        {{"step", cost.step}, {"messages", cost.messages}, {"bytes", cost.bytes}, {"seconds", cost.seconds}});
  }
  return {{"simulated", std::move(steps)}};
}

}  // namespace

std::string metrics_json(const task::Metrics& metrics) { return named_json(metrics, true).dump(); }

std::string report_json(const Report& report) {
  const JobStatus& status = report.status;
  Json rounds = Json::array();
  for (const RoundRecord& record : status.history)
    rounds.push_back(json_of_round(record, job::name_of(report.spec.evaluation.split)));
  const Json json = {{"name", report.spec.name},
                     {"job_id", status.job_id},
                     {"phase", name_of(status.phase)},
                     {"detail", status.detail},
                     {"submitted", time_or_null(status.submitted_seconds)},
                     {"started", time_or_null(status.started_seconds)},
                     {"ended", time_or_null(status.ended_seconds)},
                     {"site_states", status.sites},
                     {"rounds", std::move(rounds)},
                     {"metrics", directions_json(status.history)},
                     {"best_round", best_round_json(status.history, report.spec.evaluation.metric)},
                     {"comparison", json_of_comparison(report.comparison)},
                     {"clipped", clipped_json(status.history)},
                     {"examples", status.examples},
                     {"model", status.model ? Json(crypto::to_hex(*status.model)) : Json(nullptr)},
                     {"versions", report.versions},
                     {"secure_aggregation", job::name_of(report.spec.privacy.secure_aggregation)},
                     {"masks", masks_json(report)},
                     {"job_digest", crypto::to_hex(job::job_digest(report.spec))},
                     {"job", Json::parse(job::canonical_text(report.spec))}};
  // Names of sites and failure texts come from peers. Bytes that aren't UTF-8 are replaced.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string round_json(const RoundRecord& record, const std::string& split) {
  return json_of_round(record, split).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string comparison_json(const Comparison& comparison) {
  return json_of_comparison(comparison).dump(-1, ' ', false, Json::error_handler_t::replace);
}

namespace {

/// The columns for which some round has a value, in the order of their first occurrence.
struct Column {
  std::string name;
  bool bounded = false;  ///< some value has an error bound
};
std::vector<Column> columns_of(const History& history) {
  std::vector<Column> columns;
  for (const RoundRecord& record : history) {
    if (!record.metrics) continue;
    for (const task::Metric& metric : record.metrics->values) {
      auto column = std::ranges::find(columns, metric.name, &Column::name);
      if (column == columns.end()) column = columns.insert(column, {metric.name, false});
      column->bounded = column->bounded || metric.error != 0.0;
    }
  }
  return columns;
}

}  // namespace

std::string metrics_csv(const Report& report) {
  const std::vector<Column> columns = columns_of(report.status.history);
  std::string text = "round,cohort,contributed,seconds,bytes,train_loss";
  for (const Column& column : columns) text += "," + column.name + (column.bounded ? "," + column.name + "_error" : "");
  text += ",examples,clipped,started,ended\n";
  for (const RoundRecord& record : report.status.history) {
    text += fmt::format("{},{},{},{},{},{}", record.round, record.cohort.size(), record.contributed.size(),
                        record.seconds, record.bytes, field(record.train_loss));
    for (const Column& column : columns) {
      const task::Metric* metric = record.metrics ? record.metrics->find(column.name) : nullptr;
      text += "," + field(metric != nullptr ? std::optional(metric->value) : std::nullopt);
      if (column.bounded) text += "," + field(metric != nullptr ? std::optional(metric->error) : std::nullopt);
    }
    text += fmt::format(",{},{},{},{}\n", record.metrics ? std::to_string(record.metrics->examples) : "",
                        record.clipped, time_text(record.started_seconds), time_text(record.ended_seconds));
  }
  return text;
}

std::string curves_svg(const Report& report) { return render_svg(chart_of(report)); }

Result<void> write_report_folder(const std::filesystem::path& folder, const Report& report,
                                 const ParameterManifest& manifest, std::span<const float> model) {
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code)
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}: cannot be made: {}", folder.string(), code.message()));
  if (!model.empty()) {
    const std::map<std::string, std::string> metadata = {{"format", "pt"},
                                                         {"job", report.spec.name},
                                                         {"job_digest", crypto::to_hex(job::job_digest(report.spec))},
                                                         {"rounds", std::to_string(report.status.history.size())}};
    CONSILIUM_TRY(write_safetensors(folder / kModelFile, manifest, model, metadata));
  } else {
    std::filesystem::remove(folder / kModelFile, code);  // left by an earlier run; it doesn't belong to this report
  }
  CONSILIUM_TRY(write_text(folder / kReportFile, report_json(report)));
  CONSILIUM_TRY(write_text(folder / kMetricsFile, metrics_csv(report)));
  CONSILIUM_TRY(write_text(folder / kCurvesFile, curves_svg(report)));
  return write_text(folder / kPageFile, report_html(report));
}

}  // namespace consilium::report
