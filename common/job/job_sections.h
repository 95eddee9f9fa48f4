#pragma once

#include <chrono>
#include <string_view>

#include "common/config/scalars.h"
#include "common/config/section.h"
#include "common/error/error.h"
#include "common/job/job_limits.h"
#include "common/job/job_spec.h"

/// The sections `task` and `training` of a job file, and code that its sections share. Only the job parser uses this
/// header.
namespace consilium::job {

inline constexpr config::DurationRange kTimes{std::chrono::milliseconds(1), std::chrono::milliseconds(kMaxTimeLimitMs)};

/// Builds an error whose message begins with the key path that starts at `value`, instead of with `prefix`.
[[nodiscard]] Error problem_at(const config::Value& value, std::string_view prefix, const Error& error);

/// Refuses a key that means nothing with the name that was chosen.
void refuse_key(config::Section& section, std::string_view key, std::string_view belongs_to);

Result<task::TaskSpec> parse_task(const config::Value& value);
/// Checks that the model has as many classes as the task needs, and that its outputs are those that the task reads.
Result<void> check_task(const config::Value& value, const JobSpec& job);
/// @param job  with its model and task already set
Result<TrainingSpec> parse_training(const config::Value& value, const JobSpec& job);

}  // namespace consilium::job
