#include "cli/comparison_text.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "cli/live_view.h"
#include "common/task/bootstrap.h"

namespace consilium::cli {
namespace {

constexpr std::size_t kSitesShown = 12;

/// Returns a bar of 20 columns for a value from 0 to 1, with a resolution of an eighth of a column.
std::string bar(double share) {
  static constexpr const char* kEighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const int eighths = static_cast<int>(std::lround(std::clamp(std::isfinite(share) ? share : 0.0, 0.0, 1.0) * 160));
  std::string out;
  for (int i = 0; i < 20; ++i) {
    const int left = eighths - i * 8;
    out += left >= 8 ? "█" : kEighths[std::max(0, left)];
  }
  return out;
}

/// Returns a metric's value as views show it ("accuracy 0.849"), or "" without a metric.
std::string told(const task::Metric* metric) {
  return metric == nullptr ? std::string() : fmt::format("{} {:.3f}", task::heading_of(metric->name), metric->value);
}

/// Returns the interval of the first metric (" (0.81 to 0.88)"), or "" if there is none.
std::string interval_of(const task::Metric* metric) {
  if (metric == nullptr || !metric->interval) return {};
  return fmt::format(" ({:.3f} to {:.3f})", metric->interval->low, metric->interval->high);
}

std::string line(const std::string& name, const task::Metrics& metrics, const std::string& note) {
  const task::Metric* first = task::headline(metrics);
  std::string text =
      fmt::format("{:<10} {} {}{}  {}   {}", name, told(first), bar(first == nullptr ? 0.0 : first->value),
                  interval_of(first), told(task::headline(metrics, 1)), note);
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

/// Returns how good a model is by the first metric; higher is better.
double merit(const task::Metrics& metrics) {
  const task::Metric* first = task::headline(metrics);
  if (first == nullptr) return 0.0;
  return first->higher_is_better ? first->value : -first->value;
}

void add_gain(const std::optional<task::Metric>& gain, std::string_view base, std::vector<std::string>& lines) {
  if (!gain) return;
  if (!gain->interval) {
    lines.push_back(
        fmt::format("gain       {} {:+.3f} over {}; no interval, because that needs counts for at least {} patients",
                    task::heading_of(gain->name), gain->value, base, task::kFewestPatients));
    return;
  }
  lines.push_back(fmt::format("gain       {} {:+.3f} ({:+.3f} to {:+.3f}) over {}; 95 % intervals, by patient",
                              task::heading_of(gain->name), gain->value, gain->interval->low, gain->interval->high,
                              base));
}

}  // namespace

std::vector<std::string> comparison_lines(const report::Comparison& comparison) {
  std::vector<std::string> lines;
  if (!comparison.alone.empty()) {
    lines.push_back(line("alone", report::mean_of_alone(comparison),
                         fmt::format("mean of {} sites, each by itself", comparison.alone.size())));
    std::vector<std::pair<std::string, task::Metrics>> sites(comparison.alone.begin(), comparison.alone.end());
    if (sites.size() > kSitesShown) {
      std::ranges::sort(sites, {}, [](const auto& site) { return merit(site.second); });
      lines.push_back(line("  worst", sites.front().second, printable(sites.front().first)));
      lines.push_back(line("  best", sites.back().second, printable(sites.back().first)));
    } else {
      for (const auto& [site, metrics] : sites) lines.push_back(line("  " + printable(site), metrics, ""));
    }
  }
  if (comparison.ensemble)
    lines.push_back(line("ensemble", *comparison.ensemble, "the sites' own models, predictions averaged"));
  if (comparison.federated)
    lines.push_back(line("federated", *comparison.federated, "one model, no image left its site"));
  if (comparison.personal) lines.push_back(line("personal", *comparison.personal, "fine-tuned at this site"));
  if (comparison.pooled) lines.push_back(line("pooled", *comparison.pooled, "everybody's images in one place"));
  add_gain(report::gain_of(comparison), "the mean of the sites alone", lines);
  add_gain(report::personal_gain_of(comparison), "the federation's model", lines);
  return lines;
}

bool federated_is_better(const report::Comparison& comparison) {
  return comparison.federated && !comparison.alone.empty() &&
         merit(*comparison.federated) > merit(report::mean_over_sites(comparison.alone));
}

}  // namespace consilium::cli
