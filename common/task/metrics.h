#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace consilium::task {

/// Where 95 % of a bootstrap's samples lie (task/bootstrap.h).
struct Interval {
  double low = 0.0;
  double high = 0.0;
  bool operator==(const Interval&) const = default;
};

/// One number that follows from summed counts.
struct Metric {
  std::string name;  ///< "accuracy", "dice", "auc": lower-case letters, digits and underscores
  double value = 0.0;
  double error = 0.0;  ///< the exact value lies within value +- error; 0: exact up to rounding in double
  bool higher_is_better = true;
  std::optional<Interval> interval{};  ///< where it was computed: in comparisons, which know what each patient counts
  bool operator==(const Metric&) const = default;
};

/// Says whether rounds can be compared by the metric. A value that isn't finite can't be compared, nor can one half,
/// plus or minus one half: a task reports that where the examples say nothing, such as an AUC over one class alone.
[[nodiscard]] bool is_comparable(const Metric& metric);

/// Counts that are reported as they are, e.g. a confusion matrix; row after row.
struct CountTable {
  std::string name;
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  std::vector<std::uint64_t> counts;
  bool operator==(const CountTable&) const = default;
};

/// What an evaluation says about a model. Whoever shows it needs to know nothing about the task.
struct Metrics {
  std::uint64_t examples = 0;
  /// "loss" first where there is one, then by importance: views show the first ones.
  std::vector<Metric> values;
  std::vector<CountTable> tables;

  /// Returns the metric of that name, or nullptr.
  [[nodiscard]] const Metric* find(std::string_view name) const;
  /// Returns the table of that name, or nullptr.
  [[nodiscard]] const CountTable* table(std::string_view name) const;
  /// Returns the metric's value, NaN where there is none of that name.
  [[nodiscard]] double value_of(std::string_view name) const;
  /// Returns the metric's error bound, NaN where there is none of that name.
  [[nodiscard]] double error_of(std::string_view name) const;

  bool operator==(const Metrics&) const = default;
};

inline constexpr std::string_view kLossMetric = "loss";

/// Returns the index-th metric beside the loss (from 0), or nullptr: what a view with little room shows.
[[nodiscard]] const Metric* headline(const Metrics& metrics, std::size_t index = 0);
/// Writes a metric's name for people: "balanced accuracy", "AUC", "mAP 50".
[[nodiscard]] std::string heading_of(std::string_view name);
/// Is `name` one that Metric::name may have, of at most kMaxMetricNameBytes?
[[nodiscard]] bool is_metric_name(std::string_view name);

}  // namespace consilium::task
