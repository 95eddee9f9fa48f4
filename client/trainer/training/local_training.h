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

/// The callbacks of a long computation, called between two batches.
struct Hooks {
  std::function<bool()> cancelled = [] { return false; };
  std::function<void(const Progress&)> progress = [](const Progress&) {};
  std::function<std::chrono::steady_clock::time_point()> now = [] { return std::chrono::steady_clock::now(); };
};

/// Trains from the global model as in McMahan et al. 2017, Algorithm 1, ClientUpdate: local_epochs passes over shuffled
/// batches (the last batch may be smaller) with a fresh optimiser. The time limit is checked after each step, so at
/// least one step is done. The result depends only on the request, the data, the global model, the device and the
/// number of threads, unless the time limit is reached. A split without examples gives a delta of zero.
/// Fails with kInvalidArgument if the loss becomes NaN or infinite ("round 3: loss became NaN in epoch 2, step 14"),
/// with kResourceExhausted if memory runs out, and with kCancelled on request.
/// @param global  the model in the manifest's order
/// @param delta   receives local - global, including buffers; 0 for frozen tensors
Result<Trained> train(Network& network, const LearningTask& task, const ExampleSource& examples, const Train& request,
                      std::span<const float> global, std::span<float> delta, const Hooks& hooks);

}  // namespace consilium::trainer
