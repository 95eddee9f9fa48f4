#pragma once

#include "client/trainer_process/launch.h"
#include "client/trainer_process/trainer_process.h"

namespace consilium::trainer {

/// Fills a plan's program, arguments, environment and Landlock rules from a config. Fails with kInvalidArgument or
/// kNotFound naming trainer.command, and with kFailedPrecondition naming what the kernel lacks.
Result<void> confine(const TrainerConfig& config, LaunchPlan& plan);

}  // namespace consilium::trainer
