#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/model/model_spec.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::model {

/// The weights that a model begins with, and where each of its tensors comes from.
struct StartingWeights {
  ParameterVector parameters;        ///< in the manifest's order
  std::size_t taken = 0;             ///< tensors as the file has them
  std::vector<std::string> adapted;  ///< tensors of the file, summed over its three input channels
  std::vector<std::string> drawn;    ///< tensors of replaced layers, as initial_weights() draws them
  std::vector<std::string> unused;   ///< tensors that the file has for replaced layers
};

/// Reads the weights of a file in PyTorch's names (docs/formats/manifest.md), which may fit a part of the model alone.
///
/// Layers in `replaced` begin as initial_weights(spec, seed) draws them, whatever the file has for them. A convolution
/// over the model's input, where that has one channel and the file's kernel has three, takes the sum of the kernel over
/// the three: the convolution is linear, so it computes of a grey image what the file's computes of that image in all
/// three channels. Every other tensor must be in the file in the model's shape, and the file must have no others but
/// I64 `num_batches_tracked`.
///
/// The file is hostile, see SafetensorsFile. Fails with kInvalidArgument naming the file, with all tensors that are
/// missing, that the model doesn't have, and that have another shape.
/// @param replaced  words of layer_names.h
Result<StartingWeights> read_starting_weights(const std::filesystem::path& file, const ModelSpec& spec,
                                              std::span<const std::string> replaced, std::uint64_t seed);

/// Says where the tensors come from, for a person: "60 tensors from resnet18.safetensors; conv1.weight from it, summed
/// over its 3 input channels; fc.weight, fc.bias from the seed; not used: the file's fc.bias, fc.weight".
/// @param file  that was read
[[nodiscard]] std::string in_words(const StartingWeights& weights, const std::filesystem::path& file);

}  // namespace consilium::model
