#include "common/report/report_chart.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "common/job/strategies.h"

namespace consilium::report {
namespace {

/// Number of metrics that are drawn: the first two after the loss.
constexpr std::size_t kDrawnMetrics = 2;

void add_levels(const Comparison& comparison, Panel& panel) {
  const std::string on = fmt::format(" ({})", job::name_of(comparison.split));
  const auto add = [&](const task::Metrics& metrics, std::string_view whose) {
    const task::Metric* first = task::headline(metrics);
    if (first != nullptr)
      panel.levels.push_back({fmt::format("{}, {}{}", task::heading_of(first->name), whose, on), first->value});
  };
  if (!comparison.alone.empty()) add(mean_over_sites(comparison.alone), "mean of the sites alone");
  if (comparison.ensemble) add(*comparison.ensemble, "ensemble of the sites alone");
  if (comparison.federated) add(*comparison.federated, "federated");
  if (comparison.personal) add(*comparison.personal, "fine-tuned");
  if (comparison.pooled) add(*comparison.pooled, "pooled");
}

}  // namespace

Chart chart_of(const Report& report) {
  const std::string split(job::name_of(report.spec.evaluation.split));
  Panel loss{"Loss", {{"training, mean over the cohort", {}}, {split + ", global model", {}}}, {}};
  Panel metric{"Global model, " + split, {}, {}};
  for (const RoundRecord& record : report.status.history) {
    const double x = record.round;
    if (record.train_loss) loss.series[0].points.emplace_back(x, *record.train_loss);
    if (!record.metrics) continue;
    if (const auto* value = record.metrics->find(task::kLossMetric))
      loss.series[1].points.emplace_back(x, value->value);
    for (std::size_t i = 0; i < kDrawnMetrics; ++i) {
      const task::Metric* drawn = task::headline(*record.metrics, i);
      if (drawn == nullptr) continue;
      const std::string heading = task::heading_of(drawn->name);
      auto series = std::ranges::find(metric.series, heading, &Series::name);
      if (series == metric.series.end()) series = metric.series.insert(series, Series{heading, {}});
      series->points.emplace_back(x, drawn->value);
    }
  }
  add_levels(report.comparison, metric);
  std::erase_if(loss.series, [](const Series& series) { return series.points.empty(); });
  Chart chart{report.spec.name, {}, "round", {std::move(loss)}};
  if (!metric.series.empty()) chart.panels.push_back(std::move(metric));
  chart.subtitle = fmt::format("{}, {} of {} rounds, {} local epochs, {} training examples at {} sites",
                               job::traits_of(report.spec.strategy.kind).name, report.status.history.size(),
                               report.spec.federation.rounds, report.spec.training.local_epochs, report.status.examples,
                               report.status.sites.size());
  return chart;
}

}  // namespace consilium::report
