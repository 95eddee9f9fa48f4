#pragma once

#include <nlohmann/json_fwd.hpp>

#include "common/error/error.h"
#include "common/report/job_status.h"

/// Job statuses as JSON, as `consilium --json` prints them and the wire carries them. Digests are hexadecimal, and
/// absent values are null.
namespace consilium::report {

/// Bounds that the readers enforce.
inline constexpr std::size_t kMaxRecords = 100000;   ///< rounds in a history, sites in a map or list
inline constexpr std::size_t kMaxTextBytes = 16384;  ///< bytes of one string

[[nodiscard]] nlohmann::json to_json(const task::Metrics& metrics);
[[nodiscard]] nlohmann::json to_json(const RoundRecord& record);
[[nodiscard]] nlohmann::json to_json(const JobStatus& status);

/// These functions read what to_json() wrote. The input may be hostile: they refuse missing and unknown keys, wrong
/// types, numbers that aren't finite or out of range, and anything beyond the bounds above or those of task/limits.h.
/// Errors name the path ("history[3].metrics.values[0].value").
Result<task::Metrics> metrics_from_json(const nlohmann::json& json);
Result<RoundRecord> round_record_from_json(const nlohmann::json& json);
Result<JobStatus> job_status_from_json(const nlohmann::json& json);

}  // namespace consilium::report
