#pragma once

#include <filesystem>
#include <optional>

#include "client/trainer_process/launch.h"
#include "client/trainer_process/trainer_process.h"

namespace consilium::trainer {

/// Returns the decoder that goes with a config's trainer: consilium-decode in the same folder as our own trainer
/// (consilium-trainer); none for any other trainer, which reads its data by itself.
[[nodiscard]] std::optional<std::filesystem::path> decoder_of(const TrainerConfig& config);

/// Fills the plan of a trainer's decoder. It may read its libraries alone: the trainer opens the files and passes their
/// descriptors. Errors as confine() has them.
Result<void> confine_decoder(const TrainerConfig& config, const std::filesystem::path& decoder, LaunchPlan& plan);

/// Fills a plan's program, arguments, environment and Landlock rules from a config. Fails with kInvalidArgument or
/// kNotFound naming trainer.command, and with kFailedPrecondition naming what the kernel lacks.
Result<void> confine(const TrainerConfig& config, LaunchPlan& plan);

}  // namespace consilium::trainer
