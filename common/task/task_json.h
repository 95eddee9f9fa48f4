#pragma once

#include <nlohmann/json_fwd.hpp>

#include "common/error/error.h"
#include "common/task/augment.h"
#include "common/task/task_spec.h"

/// Tasks and losses as JSON: in jobs, in their canonical text and in the trainer's records.
namespace consilium::task {

/// Writes a task: its name and whatever numbers mean something for it.
[[nodiscard]] nlohmann::json to_json(const TaskSpec& task);
/// Writes a loss: its name alone where every number is the default, else a map of all that mean something.
[[nodiscard]] nlohmann::json to_json(const LossSpec& loss, TaskKind task);

/// Writes what isn't 0.
[[nodiscard]] nlohmann::json to_json(const Augment& augment);

/// Read a name, or a map with the key `name`. Hostile input: unknown keys, wrong types and numbers out of range are
/// refused with kInvalidArgument and the key's path ("task.threshold: ...", "training.loss.gamma: ...").
Result<TaskSpec> task_from_json(const nlohmann::json& json);
/// @param classes  of the model; `task` was checked
Result<LossSpec> loss_from_json(const nlohmann::json& json, const TaskSpec& task, std::uint64_t classes);

/// Reads a map of what isn't 0; errors begin with "augment.".
Result<Augment> augment_from_json(const nlohmann::json& json);

}  // namespace consilium::task
