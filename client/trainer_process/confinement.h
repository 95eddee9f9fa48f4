#pragma once

#include <filesystem>
#include <optional>

#include "client/trainer_process/launch.h"
#include "client/trainer_process/trainer_process.h"

namespace consilium::trainer {

/// Returns the decoder that belongs to a config's trainer: consilium-decode in the folder of our own trainer
/// (consilium-trainer). Returns nullopt for any other trainer, which reads its data by itself.
[[nodiscard]] std::optional<std::filesystem::path> decoder_of(const TrainerConfig& config);

/// Fills in the launch plan of a trainer's decoder. The decoder can read only its libraries: the trainer opens the
/// files and passes their descriptors. Returns the same errors as confine().
Result<void> confine_decoder(const TrainerConfig& config, const std::filesystem::path& decoder, LaunchPlan& plan);

/// Fills in a plan's program, arguments, environment and Landlock rules from a config. Fails with kInvalidArgument or
/// kNotFound naming trainer.command, and with kFailedPrecondition naming what the kernel lacks.
Result<void> confine(const TrainerConfig& config, LaunchPlan& plan);

}  // namespace consilium::trainer
