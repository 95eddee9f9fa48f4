#pragma once

#include <cstddef>
#include <cstdint>

/// The largest sizes that every part agrees on: job, model, data, vector layout, wire and report.
namespace consilium::task {

/// Classes (or labels) that a job may tell apart. With more, the confusion matrix of one evaluation would no longer be
/// small beside a model: 1,000 classes make a vector of 24 MB.
inline constexpr std::int64_t kMaxClasses = 1000;
/// Metrics of one evaluation, and bytes of a metric's or a table's name.
inline constexpr std::size_t kMaxMetrics = 256;
inline constexpr std::size_t kMaxMetricNameBytes = 64;
/// Tables of counts in one evaluation, and counts in one table: a confusion matrix of 100 classes. A larger one is left
/// out of reports, because it would be repeated for each round and site.
inline constexpr std::size_t kMaxTables = 8;
inline constexpr std::size_t kMaxTableCounts = 10'000;
/// Classes whose metrics are told one by one.
inline constexpr std::uint64_t kMaxClassesByName = 20;

}  // namespace consilium::task
