#pragma once

#include <cstdint>

#include "common/error/error.h"
#include "common/model/model_spec.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::model {

/// Derives the manifest of a model: PyTorch's names, shapes and state_dict order.
Result<ParameterManifest> build_manifest(const ModelSpec& spec);

/// Draws the initial weights: PyTorch's default distributions (weights and biases U(-1/sqrt(fan_in), 1/sqrt(fan_in));
/// normalisations 1 and 0, running mean 0 and variance 1; a detector's head as enum Start says), each tensor from its
/// own RandomStream(seed, kInitialWeights, 0, tensor name), with operations that IEEE 754 rounds alike everywhere: the
/// same bytes on every machine.
Result<ParameterVector> initial_weights(const ModelSpec& spec, std::uint64_t seed);

}  // namespace consilium::model
