#include "common/task/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "common/task/limits.h"

namespace consilium::task {
namespace {

template <class Named>
const Named* find_in(const std::vector<Named>& all, std::string_view name) {
  const auto found = std::ranges::find(all, name, &Named::name);
  return found == all.end() ? nullptr : &*found;
}

/// Abbreviations that aren't written in lower case.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kAbbreviations{
    {{"auc", "AUC"}, {"f1", "F1"}, {"iou", "IoU"}, {"hd95", "HD95"}, {"map", "mAP"}}};

}  // namespace

bool is_comparable(const Metric& metric) {
  const bool says_nothing = metric.value == 0.5 && metric.error == 0.5;
  return std::isfinite(metric.value) && !says_nothing;
}

const Metric* Metrics::find(std::string_view name) const { return find_in(values, name); }

const CountTable* Metrics::table(std::string_view name) const { return find_in(tables, name); }

double Metrics::value_of(std::string_view name) const {
  const Metric* metric = find(name);
  return metric == nullptr ? std::numeric_limits<double>::quiet_NaN() : metric->value;
}

double Metrics::error_of(std::string_view name) const {
  const Metric* metric = find(name);
  return metric == nullptr ? std::numeric_limits<double>::quiet_NaN() : metric->error;
}

const Metric* headline(const Metrics& metrics, std::size_t index) {
  for (const Metric& metric : metrics.values) {
    if (metric.name == kLossMetric) continue;
    if (index-- == 0) return &metric;
  }
  return nullptr;
}

std::string heading_of(std::string_view name) {
  std::string heading;
  while (!name.empty()) {
    const std::string_view word = name.substr(0, name.find('_'));
    name.remove_prefix(std::min(name.size(), word.size() + 1));
    const auto* known = std::ranges::find(kAbbreviations, word, &std::pair<std::string_view, std::string_view>::first);
    if (!heading.empty()) heading += ' ';
    heading += known == kAbbreviations.end() ? word : known->second;
  }
  return heading;
}

bool is_metric_name(std::string_view name) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && name.size() <= kMaxMetricNameBytes && std::ranges::all_of(name, allowed);
}

}  // namespace consilium::task
