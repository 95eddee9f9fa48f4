#pragma once

#include <chrono>
#include <functional>
#include <span>

#include "client/trainer/models/network.h"
#include "client/trainer/protocol/messages.h"
#include "client/trainer/task/learning_task.h"
#include "client/trainer/training/example_source.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// What a long computation asks and tells between two batches.
struct Hooks {
  std::function<bool()> cancelled = [] { return false; };
  std::function<void(const Progress&)> progress = [](const Progress&) {};
  std::function<std::chrono::steady_clock::time_point()> now = [] { return std::chrono::steady_clock::now(); };
};

/// Trains from the global model as McMahan et al. 2017, Algorithm 1, ClientUpdate: local_epochs passes in shuffled
/// batches (the last one may be short) with a fresh optimiser. The time limit is looked at after each step, so that one
/// step is done at least. The outcome is a function of the request, data, global model, device and number of threads
/// alone, unless the limit is hit. A split without examples gives a delta of zero.
/// @param global  the model in the manifest's order   @param delta  receives local - global, buffers included; 0 where
/// a tensor is frozen Fails with kInvalidArgument where the loss becomes NaN or infinite ("round 3: loss became NaN in
/// epoch 2, step 14"), kResourceExhausted out of memory, kCancelled on request.
Result<Trained> train(Network& network, const LearningTask& task, const ExampleSource& examples, const Train& request,
                      std::span<const float> global, std::span<float> delta, const Hooks& hooks);

}  // namespace consilium::trainer
