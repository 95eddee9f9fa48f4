#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "common/job/round_order.h"
#include "common/report/metrics.h"
#include "coordinator/aggregation/streaming_sum.h"

namespace consilium::round {

/// The sum of one open session, and what a plain job is told of each site beside it.
class SessionSum {
 public:
  /// @param classes of the job's model
  /// @param former  a sum that is over, for its memory
  static Result<SessionSum> create(job::SessionKey key, const job::RoundOrder& order, std::uint64_t classes,
                                   std::optional<SessionSum> former = {});

  [[nodiscard]] const job::SessionKey& key() const { return key_; }
  [[nodiscard]] std::uint64_t word_count() const { return sum_.layout().word_count(); }
  [[nodiscard]] aggregation::StreamingSum& sum() { return sum_; }

  /// Folds one site's vector. Counts that contradict each other are refused and not folded.
  /// @return the site's training examples, in a census
  Result<std::optional<std::uint64_t>> take(const std::string& site, aggregation::WordSource& words);

  /// Training examples in a census's sum.
  Result<std::uint64_t> training_examples() const;
  /// The federation's metrics from an evaluation's sum.
  Result<report::Metrics> metrics() const;
  [[nodiscard]] const std::map<std::string, report::Metrics>& site_metrics() const { return site_metrics_; }

 private:
  SessionSum(job::SessionKey key, std::uint64_t classes, aggregation::StreamingSum sum)
      : key_(std::move(key)), classes_(classes), sum_(std::move(sum)) {}

  job::SessionKey key_;
  std::uint64_t classes_;
  aggregation::StreamingSum sum_;
  std::map<std::string, report::Metrics> site_metrics_;
};

}  // namespace consilium::round
