#include "common/report/html_sections.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "common/job/cohort_rules.h"
#include "common/job/job_text.h"
#include "common/report/markup.h"
#include "common/task/bootstrap.h"
#include "common/task/calibration.h"
#include "common/task/counts.h"

namespace consilium::report {
namespace {

/// Smaller error bounds wouldn't show in a value with three decimals.
constexpr double kShownError = 0.0005;
/// Larger tables are only in report.json.
constexpr std::uint32_t kShownRows = 30;

std::string number_text(double value) {
  if (!std::isfinite(value)) return "not finite";
  return std::abs(value) < 10 ? fmt::format("{:.3f}", value) : fmt::format("{:.1f}", value);
}

std::string cell(std::string_view text) { return fmt::format("<td>{}</td>", escape_markup(text)); }
std::string word_cell(std::string_view text) { return fmt::format("<td class=\"words\">{}</td>", escape_markup(text)); }

/// Returns a metric's value in a row of metrics, with its interval below; empty if the row doesn't have the metric.
std::string metric_cell(const task::Metrics& metrics, std::string_view name) {
  const task::Metric* metric = metrics.find(name);
  if (metric == nullptr) return "<td></td>";
  std::string interval;
  if (metric->interval) {
    interval = fmt::format("<br><span class=\"soft\">{} to {}</span>", number_text(metric->interval->low),
                           number_text(metric->interval->high));
  }
  return fmt::format("<td class=\"value\">{}{}</td>", escape_markup(value_text(*metric)), interval);
}

/// Returns a bar for a value from 0 to 1, or an empty cell for a value on another scale.
std::string bar_cell(double value) {
  if (!(value >= 0.0 && value <= 1.0)) return "<td></td>";
  return fmt::format(
      "<td class=\"bars\"><span class=\"track\"><span class=\"bar\" style=\"width:{:.1f}%\"></span></span></td>",
      100.0 * value);
}

/// Returns the metrics shown in comparisons of models or sites: the first three after the loss.
std::vector<task::Metric> compared_metrics(const task::Metrics& metrics) {
  std::vector<task::Metric> chosen;
  for (std::size_t i = 0; i < 3; ++i) {
    if (const task::Metric* metric = task::headline(metrics, i)) chosen.push_back(*metric);
  }
  return chosen;
}

std::string heading_cells(const std::vector<task::Metric>& metrics) {
  std::string out;
  for (const task::Metric& metric : metrics) {
    out += fmt::format("<th>{}{}</th>", escape_markup(task::heading_of(metric.name)),
                       metric.higher_is_better ? "" : " (less is better)");
  }
  return out;
}

std::string metrics_row(std::string_view who, const task::Metrics& metrics, const std::vector<task::Metric>& columns,
                        bool strong = false) {
  std::string out = fmt::format("<tr{}>{}", strong ? " class=\"strong\"" : "", word_cell(who));
  for (const task::Metric& column : columns) out += metric_cell(metrics, column.name);
  if (!columns.empty()) out += bar_cell(metrics.value_of(columns.front().name));
  return out + "</tr>\n";
}

/// @param one,other  the models, as named in a sentence
std::string gain_sentence(const std::optional<task::Metric>& gain, std::string_view one, std::string_view other) {
  if (!gain) return {};
  if (gain->value == 0.0) return fmt::format("<p>{} is as good as {}.</p>\n", one, other);
  const bool better = (gain->value > 0.0) == gain->higher_is_better;
  std::string out = fmt::format("<p>{} is {} by {} ({}) than {}.", one, better ? "better" : "worse",
                                number_text(std::abs(gain->value)), escape_markup(task::heading_of(gain->name)), other);
  if (gain->interval) {
    const bool certain = gain->interval->low > 0.0 || gain->interval->high < 0.0;
    out += fmt::format(
        " The difference lies between {} and {} for 95 % of the samples that a bootstrap draws from the patients; {}",
        number_text(gain->interval->low), number_text(gain->interval->high),
        certain ? "it excludes 0, so other patients would hardly reverse the result."
                : "it includes 0, so other patients might reverse the result.");
  } else {
    out += fmt::format(
        " No interval is given, because it needs counts for single patients: at least {} patients besides the first of "
        "each site.",
        task::kFewestPatients);
  }
  return out + "</p>\n";
}

std::string table_heading(std::string_view name, std::uint32_t columns) {
  std::vector<std::string> titles;
  if (name == "outcomes" && columns == 4) {
    titles = {"true positives", "false positives", "false negatives", "true negatives"};
  } else if (name == "overlap" && columns == 3) {
    titles = {"found and true", "found", "true"};
  } else {
    for (std::uint32_t column = 0; column < columns; ++column) titles.push_back(fmt::format("{}", column));
  }
  std::string out = "<tr><th></th>";
  for (const std::string& title : titles) out += "<th>" + title + "</th>";
  return out + "</tr>\n";
}

std::string_view table_caption(std::string_view name) {
  if (name == "confusion") return "Confusion matrix: a row for each true class, a column for each predicted class.";
  if (name == "outcomes") return "Outcomes at the threshold: a row for each label.";
  if (name == "overlap") return "Pixels or voxels of all cases: a row for each class; class 0 is the background.";
  return name;
}

/// Returns a table in which each count is shaded by its share of its row.
std::string count_table(const task::CountTable& table) {
  std::string out = fmt::format("<p class=\"soft\">{}</p>\n", escape_markup(table_caption(table.name)));
  if (table.rows > kShownRows || table.columns > kShownRows)
    return out + fmt::format("<p>The table has {} rows and {} columns; report.json holds it.</p>\n", table.rows,
                             table.columns);
  out += "<div class=\"wide\"><table>\n" + table_heading(table.name, table.columns);
  for (std::uint32_t row = 0; row < table.rows; ++row) {
    const auto* const first = table.counts.data() + static_cast<std::size_t>(row) * table.columns;
    double sum = 0.0;
    for (std::uint32_t column = 0; column < table.columns; ++column) sum += static_cast<double>(first[column]);
    out += fmt::format("<tr><td>{}</td>", row);
    for (std::uint32_t column = 0; column < table.columns; ++column) {
      const double share = sum > 0 ? static_cast<double>(first[column]) / sum : 0.0;
      out += fmt::format("<td class=\"count\" style=\"background:rgba(var(--heat),{:.2f})\">{}</td>", 0.45 * share,
                         first[column]);
    }
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

/// Returns a table with a row for each confidence bin: the mean confidence, and the share of correct predictions.
std::string calibration_table(const task::CountTable& table) {
  std::string out =
      "<p class=\"soft\">Calibration: for a well calibrated model, the share of right predictions equals the mean "
      "confidence.</p>\n"
      "<div class=\"wide\"><table>\n<tr><th>confidence</th><th>predictions</th><th>mean confidence</th><th>share "
      "right</th><th></th></tr>\n";
  for (std::uint32_t row = 0; row < table.rows; ++row) {
    const auto* const counts = table.counts.data() + static_cast<std::size_t>(row) * table.columns;
    if (counts[0] == 0) continue;
    const auto held = static_cast<double>(counts[0]);
    const double right = static_cast<double>(counts[1]) / held;
    out += fmt::format("<tr><td>up to {:.2f}</td><td>{}</td><td>{:.3f}</td><td>{:.3f}</td>{}</tr>\n",
                       (row + 1.0) / table.rows, counts[0], static_cast<double>(counts[2]) / task::kUnit / held, right,
                       bar_cell(right));
  }
  return out + "</table></div>\n";
}

/// The numbers of rounds in which a site was asked and contributed, and the reason for its last failure.
struct Participation {
  std::size_t asked = 0;
  std::size_t counted = 0;
  std::string last_failure;
};
Participation participation_of(const std::string& site, const JobStatus& status) {
  Participation result;
  for (const RoundRecord& record : status.history) {
    if (std::ranges::find(record.cohort, site) != record.cohort.end()) ++result.asked;
    if (std::ranges::find(record.contributed, site) != record.contributed.end()) ++result.counted;
    if (const auto failed = record.failed.find(site); failed != record.failed.end())
      result.last_failure = fmt::format("round {}: {}", record.round, failed->second);
  }
  return result;
}

std::string code(std::string_view text) { return fmt::format("<code>{}</code>", escape_markup(text)); }

}  // namespace

std::string value_text(const task::Metric& metric) {
  std::string text = number_text(metric.value);
  if (metric.error >= kShownError) text += " ± " + number_text(metric.error);
  return text;
}

const RoundRecord* evaluation_of(const JobStatus& status) {
  const RoundRecord* chosen = nullptr;
  for (const RoundRecord& record : status.history) {
    if (!record.metrics) continue;
    chosen = &record;
    if (status.model == record.model) break;
  }
  return chosen;
}

std::string comparison_section(const Report& report) {
  const Comparison& comparison = report.comparison;
  if (comparison.empty()) return {};
  const task::Metrics alone = mean_of_alone(comparison);
  const task::Metrics& pattern = comparison.federated ? *comparison.federated
                                 : comparison.pooled  ? *comparison.pooled
                                                      : alone;
  const auto columns = compared_metrics(pattern);
  std::string out =
      comparison.personal ? "<section><h2>Did fine-tuning help?</h2>\n" : "<section><h2>Was it worth joining?</h2>\n";
  out +=
      gain_sentence(gain_of(comparison), "The federation's model", "the mean of the models that sites trained alone");
  out += gain_sentence(personal_gain_of(comparison), "The fine-tuned model", "the federation's");
  out +=
      fmt::format("<p class=\"soft\">Each model was evaluated on the same examples, those of the split {} at {}.</p>\n",
                  job::name_of(comparison.split), comparison.personal ? "this site" : "all sites");
  out += "<div class=\"wide\"><table>\n<tr><th>trained</th>" + heading_cells(columns) + "<th></th></tr>\n";
  if (!comparison.alone.empty()) {
    out += metrics_row(fmt::format("by a site alone (mean of {})", comparison.alone.size()), alone, columns);
    if (!job::is_masked(report.spec)) {
      for (const auto& [site, metrics] : comparison.alone)
        out += metrics_row("by " + site + " alone", metrics, columns);
    }
  }
  if (comparison.ensemble) out += metrics_row("by sites alone, predictions averaged", *comparison.ensemble, columns);
  if (comparison.federated)
    out += metrics_row("together, no image left its site", *comparison.federated, columns, true);
  if (comparison.personal) out += metrics_row("together, and then at this site", *comparison.personal, columns, true);
  if (comparison.pooled) out += metrics_row("on all images in one place", *comparison.pooled, columns);
  return out + "</table></div></section>\n";
}

/// Compares the federation's model with those that sites trained alone, each on its own images.
std::string alone_sentence(const RoundRecord& round) {
  if (!round.alone) return {};
  std::string out = fmt::format(
      "<p>Each site also trained a model by itself, for the same number of rounds and epochs. These models were "
      "evaluated on {} "
      "examples, each model on those of its own site; only the summed counts left the sites.</p>\n",
      round.alone->examples);
  const task::Metric* together = task::headline(*round.metrics);
  const task::Metric* alone = together == nullptr ? nullptr : round.alone->find(together->name);
  if (alone == nullptr || round.alone->examples != round.metrics->examples) return out;
  task::Metric gain = *together;
  gain.value -= alone->value;
  gain.interval.reset();
  return out + gain_sentence(gain, "The federation's model", "the sites' own models");
}

std::string evaluation_section(const Report& report) {
  const RoundRecord* last = evaluation_of(report.status);
  if (last == nullptr) return {};
  std::string out = fmt::format(
      "<section><h2>The model after round {}</h2>\n<p>It was evaluated on the {} examples of the split {} at all "
      "sites together.</p>\n",
      last->round, last->metrics->examples, job::name_of(report.spec.evaluation.split));
  out += alone_sentence(*last);
  out += fmt::format(
      "<div class=\"wide\"><table>\n<tr><th>metric</th><th>value</th>{}<th class=\"words\">better is</th></tr>\n",
      last->alone ? "<th>each site alone</th>" : "");
  for (const task::Metric& metric : last->metrics->values) {
    out += "<tr>" + word_cell(task::heading_of(metric.name)) + cell(value_text(metric));
    if (last->alone) {
      const task::Metric* alone = last->alone->find(metric.name);
      out += cell(alone == nullptr ? "" : value_text(*alone));
    }
    out += word_cell(metric.higher_is_better ? "more" : "less") + "</tr>\n";
  }
  out += "</table></div>\n";
  for (const task::CountTable& table : last->metrics->tables)
    out += table.name == task::kCalibrationTable && table.columns == 3 ? calibration_table(table) : count_table(table);
  return out + "</section>\n";
}

std::string sites_section(const Report& report) {
  if (report.status.sites.empty()) return {};
  const bool masked = job::is_masked(report.spec);
  const RoundRecord* last = masked ? nullptr : evaluation_of(report.status);
  const auto columns =
      last == nullptr || last->site_metrics.empty() ? std::vector<task::Metric>() : compared_metrics(*last->metrics);
  std::string out =
      "<section><h2>Sites</h2>\n<div class=\"wide\"><table>\n<tr><th>site</th><th class=\"words\">state</th><th>rounds "
      "asked</th><th>updates that counted</th>" +
      heading_cells(columns) + "<th class=\"words\">last failure</th></tr>\n";
  for (const auto& [site, state] : report.status.sites) {
    const Participation rounds = participation_of(site, report.status);
    out += "<tr>" + word_cell(site) + word_cell(state) +
           fmt::format("<td>{}</td><td>{}</td>", rounds.asked, rounds.counted);
    for (const task::Metric& column : columns) {
      const auto own = last->site_metrics.find(site);
      out += own == last->site_metrics.end() ? "<td></td>" : metric_cell(own->second, column.name);
    }
    out += word_cell(rounds.last_failure) + "</tr>\n";
  }
  out += "</table></div>\n";
  if (masked)
    out +=
        "<p class=\"soft\">The job was masked: only the site itself knows its number of examples, its losses and its "
        "metrics.</p>\n";
  return out + "</section>\n";
}

std::string privacy_section(const Report& report) {
  std::string out = "<section><h2>Privacy</h2>\n";
  if (!job::is_masked(report.spec)) {
    return out +
           "<p>Secure aggregation was off. The coordinator saw each site's update, number of examples and metrics, and "
           "an update can "
           "give away training images. Every site's policy had to allow this.</p></section>\n";
  }
  out += fmt::format(
      "<p>Secure aggregation was on. The coordinator and the researcher saw nothing but sums over several sites, as "
      "long as no more than {} of the sites colluded with them. The final model can still tell something about the "
      "images that it was "
      "trained on.</p>\n",
      job::colluding_sites(report.spec));
  if (report.plain_simulation)
    out += "<p>This run was a simulation: it computed the sums without masks, which gives the same bytes.</p>\n";
  if (!report.masking.empty()) {
    out +=
        "<div class=\"wide\"><table>\n<tr><th>step of the "
        "protocol</th><th>messages</th><th>bytes</th><th>seconds</th></tr>\n";
    for (const MaskingCost& cost : report.masking)
      out += fmt::format("<tr>{}<td>{}</td><td>{}</td><td>{:.3f}</td></tr>\n", word_cell(cost.step), cost.messages,
                         cost.bytes, cost.seconds);
    out += "</table></div>\n";
  }
  return out + "</section>\n";
}

std::string reproduction_section(const Report& report) {
  std::string out = "<section><h2>How to reproduce it</h2>\n<div class=\"wide\"><table>\n";
  const auto row = [&](std::string_view what, const std::string& html) {
    out += fmt::format("<tr>{}<td class=\"words\">{}</td></tr>\n", word_cell(what), html);
  };
  row("digest of the job", code(crypto::to_hex(job::job_digest(report.spec))));
  if (report.status.model) row("SHA-256 of the model", code(crypto::to_hex(*report.status.model)));
  row("seed", code(std::to_string(report.spec.seed)));
  for (const auto& [program, version] : report.versions) row(program, code(version));
  out += "</table></div>\n";
  const std::string job = nlohmann::ordered_json::parse(job::canonical_text(report.spec)).dump(2);
  return out +
         fmt::format("<details><summary>The job with all of its defaults</summary><pre>{}</pre></details></section>\n",
                     escape_markup(job));
}

}  // namespace consilium::report
