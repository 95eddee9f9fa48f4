#pragma once

#include <chrono>
#include <string_view>

#include "common/config/scalars.h"
#include "common/config/section.h"
#include "common/error/error.h"
#include "common/job/job_limits.h"
#include "common/job/job_spec.h"

/// The sections `task` and `training` of a job file, and what its sections share: for the parser of jobs alone.
namespace consilium::job {

inline constexpr config::DurationRange kTimes{std::chrono::milliseconds(1), std::chrono::milliseconds(kMaxTimeLimitMs)};

/// An error whose message begins with the key path that starts at `value`, in the place of `prefix`.
[[nodiscard]] Error problem_at(const config::Value& value, std::string_view prefix, const Error& error);

/// Refuses a key that means nothing beside the name that was chosen.
void refuse_key(config::Section& section, std::string_view key, std::string_view belongs_to);

Result<task::TaskSpec> parse_task(const config::Value& value);
/// Checks that the model tells as many classes apart as the task takes, and yields what the task reads.
Result<void> check_task(const config::Value& value, const JobSpec& job);
/// @param job  whose model and task are known
Result<TrainingSpec> parse_training(const config::Value& value, const JobSpec& job);

}  // namespace consilium::job
