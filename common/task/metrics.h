#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace consilium::task {

/// The range that holds 95 % of a bootstrap's samples (task/bootstrap.h).
struct Interval {
  double low = 0.0;
  double high = 0.0;
  bool operator==(const Interval&) const = default;
};

/// One number computed from summed counts.
struct Metric {
  std::string name;  ///< "accuracy", "dice", "auc": lower-case letters, digits and underscores
  double value = 0.0;
  double error = 0.0;  ///< the exact value lies within value +- error; 0: exact up to rounding in double
  bool higher_is_better = true;
  std::optional<Interval> interval{};  ///< set only in comparisons, which know each patient's counts
  bool operator==(const Metric&) const = default;
};

/// Returns true if rounds can be compared by the metric. A value that isn't finite can't be compared. Neither can one
/// half, plus or minus one half, which a task reports if the examples say nothing, such as an AUC over a single class.
[[nodiscard]] bool is_comparable(const Metric& metric);

/// Counts that are reported unchanged, e.g. a confusion matrix. Stored row by row.
struct CountTable {
  std::string name;
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  std::vector<std::uint64_t> counts;
  bool operator==(const CountTable&) const = default;
};

/// The result of evaluating a model. Code that displays it needs to know nothing about the task.
struct Metrics {
  std::uint64_t examples = 0;
  /// "loss" first if there is one, then in order of importance, because short views show only the first ones.
  std::vector<Metric> values;
  std::vector<CountTable> tables;

  /// Returns the metric of that name, or nullptr.
  [[nodiscard]] const Metric* find(std::string_view name) const;
  /// Returns the table of that name, or nullptr.
  [[nodiscard]] const CountTable* table(std::string_view name) const;
  /// Returns the metric's value, or NaN if there is none of that name.
  [[nodiscard]] double value_of(std::string_view name) const;
  /// Returns the metric's error bound, or NaN if there is none of that name.
  [[nodiscard]] double error_of(std::string_view name) const;

  bool operator==(const Metrics&) const = default;
};

inline constexpr std::string_view kLossMetric = "loss";

/// Returns the index-th metric other than the loss (from 0), or nullptr. Short views show these.
[[nodiscard]] const Metric* headline(const Metrics& metrics, std::size_t index = 0);
/// Returns a metric's name for people: "balanced accuracy", "AUC", "mAP 50".
[[nodiscard]] std::string heading_of(std::string_view name);
/// Returns true if Metric::name may have this value, which has at most kMaxMetricNameBytes.
[[nodiscard]] bool is_metric_name(std::string_view name);

}  // namespace consilium::task
