#pragma once

#include <cstddef>
#include <cstdint>

/// Upper bounds that all parts share: job, model, data, vector layout, wire and report.
namespace consilium::task {

/// Number of classes (or labels) of a job. With more, the confusion matrix of an evaluation would no longer be small
/// compared with a model: 1,000 classes make a vector of 24 MB.
inline constexpr std::int64_t kMaxClasses = 1000;
/// Metrics of one evaluation, and bytes of the name of a metric or table.
inline constexpr std::size_t kMaxMetrics = 256;
inline constexpr std::size_t kMaxMetricNameBytes = 64;
/// Tables of counts in one evaluation, and counts in one table, which fits a confusion matrix of 100 classes. Larger
/// tables are left out of reports, because they would be repeated for each round and site.
inline constexpr std::size_t kMaxTables = 8;
inline constexpr std::size_t kMaxTableCounts = 10'000;
/// Largest number of classes for which metrics are reported class by class.
inline constexpr std::uint64_t kMaxClassesByName = 20;

}  // namespace consilium::task
