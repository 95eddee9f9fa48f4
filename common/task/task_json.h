#pragma once

#include <nlohmann/json_fwd.hpp>

#include "common/error/error.h"
#include "common/task/augment.h"
#include "common/task/task_spec.h"

/// Tasks and losses as JSON, for jobs, their canonical text and the trainer's records.
namespace consilium::task {

/// Returns a task as JSON: its name, and the numbers that mean something for it.
[[nodiscard]] nlohmann::json to_json(const TaskSpec& task);
/// Returns a loss as JSON: only its name if every number is the default, else a map of all numbers that mean something.
[[nodiscard]] nlohmann::json to_json(const LossSpec& loss, TaskKind task);

/// Returns the settings that aren't 0.
[[nodiscard]] nlohmann::json to_json(const Augment& augment);

/// These functions read a name, or a map with the key `name`. The input may be hostile: they refuse unknown keys, wrong
/// types and numbers out of range with kInvalidArgument and the key's path ("task.threshold: ...",
/// "training.loss.gamma: ...").
Result<TaskSpec> task_from_json(const nlohmann::json& json);
/// @param task     already checked
/// @param classes  number of the model's classes
Result<LossSpec> loss_from_json(const nlohmann::json& json, const TaskSpec& task, std::uint64_t classes);

/// Reads the settings that aren't 0 from a map. Errors begin with "augment.".
Result<Augment> augment_from_json(const nlohmann::json& json);

}  // namespace consilium::task
