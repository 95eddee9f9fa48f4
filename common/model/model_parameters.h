#pragma once

#include <cstdint>

#include "common/error/error.h"
#include "common/model/model_spec.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::model {

/// Derives the manifest of a model, with PyTorch's names, shapes and state_dict order.
Result<ParameterManifest> build_manifest(const ModelSpec& spec);

/// Draws the initial weights from PyTorch's default distributions: weights and biases from U(-1/sqrt(fan_in),
/// 1/sqrt(fan_in)); weight 1 and bias 0 in normalisations, with running mean 0 and variance 1; a detector's head as
/// enum Start describes. Each tensor has its own RandomStream(seed, kInitialWeights, 0, tensor name). Only operations
/// are used that IEEE 754 rounds identically everywhere, so every machine gets the same bytes.
Result<ParameterVector> initial_weights(const ModelSpec& spec, std::uint64_t seed);

}  // namespace consilium::model
