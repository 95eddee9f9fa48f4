#pragma once

#include <cstdint>
#include <span>

#include "client/trainer/models/network.h"
#include "client/trainer/training/example_source.h"
#include "client/trainer/training/local_training.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// Evaluates a model on a split: batch norm by its running statistics, no dropout. Where examples are whole images,
/// each is one case, whose class scores come from overlapping windows (sliding_window.h). A split without examples
/// gives zeros.
/// @param model   in the manifest's order   @param counts  Task::evaluation_elements(), overwritten
/// Fails with kInvalidArgument where a prediction is NaN, kResourceExhausted, kCancelled.
Result<Evaluated> evaluate(Network& network, const LearningTask& task, const ExampleSource& examples,
                           std::uint32_t batch_size, std::span<const float> model, std::span<std::uint64_t> counts,
                           const Hooks& hooks);

/// Evaluates on some of a split's patients, each by itself; of several models the mean of their probabilities (an
/// ensemble).
/// @param models  `request.models` of them, each in the manifest's order
/// @param counts  for each of `request.patients` Task::evaluation_elements(), overwritten; zeros where there is no such
///                patient
/// Fails as evaluate() does, and with kInvalidArgument where the task has no mean of models.
Result<EvaluatedPatients> evaluate_patients(Network& network, const LearningTask& task, const ExampleSource& examples,
                                            const EvaluatePatients& request, std::span<const float> models,
                                            std::span<std::uint64_t> counts, const Hooks& hooks);

}  // namespace consilium::trainer
