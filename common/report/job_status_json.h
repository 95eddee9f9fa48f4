#pragma once

#include <nlohmann/json_fwd.hpp>

#include "common/error/error.h"
#include "common/report/job_status.h"

/// Statuses as JSON: what `consilium --json` prints and the wire carries. Digests are hexadecimal, absent values null.
namespace consilium::report {

/// Bounds of what the readers accept.
inline constexpr std::size_t kMaxRecords = 100000;   ///< rounds in a history, sites in a map or list
inline constexpr std::size_t kMaxTextBytes = 16384;  ///< of one string

[[nodiscard]] nlohmann::json to_json(const task::Metrics& metrics);
[[nodiscard]] nlohmann::json to_json(const RoundRecord& record);
[[nodiscard]] nlohmann::json to_json(const JobStatus& status);

/// Read what to_json() wrote. Hostile input: missing and unknown keys, wrong types, numbers that aren't finite or don't
/// fit, and whatever exceeds the bounds above or those of task/limits.h are refused with the path
/// ("history[3].metrics.values[0].value").
Result<task::Metrics> metrics_from_json(const nlohmann::json& json);
Result<RoundRecord> round_record_from_json(const nlohmann::json& json);
Result<JobStatus> job_status_from_json(const nlohmann::json& json);

}  // namespace consilium::report
