#pragma once

#include <cstdint>
#include <span>

#include "client/trainer/models/network.h"
#include "client/trainer/training/example_source.h"
#include "client/trainer/training/local_training.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// Evaluates a model on a split, with batch norm's running statistics and without dropout. If examples are whole
/// images, each is one case whose class scores come from overlapping windows (sliding_window.h). A split without
/// examples gives zeros.
/// Fails with kInvalidArgument if a prediction is NaN, with kResourceExhausted, or with kCancelled.
/// @param model   in the manifest's order
/// @param counts  Task::evaluation_elements() elements, overwritten
Result<Evaluated> evaluate(Network& network, const LearningTask& task, const ExampleSource& examples,
                           std::uint32_t batch_size, std::span<const float> model, std::span<std::uint64_t> counts,
                           const Hooks& hooks);

/// Evaluates on each of some of a split's patients separately. If there are several models, their probabilities are
/// averaged (an ensemble).
/// Fails as evaluate() does, and with kInvalidArgument if the task has no mean of models.
/// @param models  `request.models` of them, each in the manifest's order
/// @param counts  Task::evaluation_elements() elements for each of `request.patients`, overwritten; zeros if there is
/// no such patient
Result<EvaluatedPatients> evaluate_patients(Network& network, const LearningTask& task, const ExampleSource& examples,
                                            const EvaluatePatients& request, std::span<const float> models,
                                            std::span<std::uint64_t> counts, const Hooks& hooks);

}  // namespace consilium::trainer
