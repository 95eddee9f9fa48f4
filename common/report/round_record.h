#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/task/metrics.h"

namespace consilium::report {

/// One finished round, as shown by `watch` and kept in report.json.
struct RoundRecord {
  std::uint32_t round = 0;
  std::vector<std::string> cohort;
  std::vector<std::string> contributed;                  ///< sites whose update is in the sum
  std::vector<std::string> partial;                      ///< sites that answered without an update
  std::map<std::string, std::string> failed;             ///< site -> reason
  std::map<std::string, std::string> evaluation_failed;  ///< site -> why its evaluation isn't in the metrics
  double seconds = 0.0;  ///< from offer to the model's commit; in mode masked, including the sites' check of the total
  double evaluation_seconds = 0.0;
  std::uint64_t bytes = 0;  ///< payload bytes of models and vectors that the round transferred, both directions
  std::optional<double> train_loss;
  std::uint64_t clipped = 0;                          ///< number of clipped coordinates, over all sites
  std::uint64_t coordinates = 0;                      ///< number of encoded coordinates, over all sites
  std::optional<task::Metrics> metrics;               ///< of the federation's model after the round
  std::map<std::string, task::Metrics> site_metrics;  ///< plain jobs only
  std::optional<task::Metrics> alone{};               ///< of models that sites trained alone, each on its own images
  crypto::Digest model{};                             ///< digest of the global model after the round
  std::uint64_t started_seconds = 0;                  ///< Unix time of the offer; 0: unknown
  std::uint64_t ended_seconds = 0;                    ///< Unix time of the commit, or of the evaluation after it
  bool operator==(const RoundRecord&) const = default;
};

}  // namespace consilium::report
