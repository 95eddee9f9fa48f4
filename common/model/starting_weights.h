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

/// The initial weights of a model, and the origin of each tensor.
struct StartingWeights {
  ParameterVector parameters;        ///< in the manifest's order
  std::size_t taken = 0;             ///< number of tensors taken from the file unchanged
  std::vector<std::string> adapted;  ///< tensors of the file that were summed over their three input channels
  std::vector<std::string> drawn;    ///< tensors of replaced layers, drawn by initial_weights()
  std::vector<std::string> unused;   ///< tensors of the file that belong to replaced layers
};

/// Reads initial weights from a file with PyTorch's names (docs/formats/manifest.md). The file may fit only a part of
/// the model.
///
/// Layers in `replaced` are drawn by initial_weights(spec, seed), whatever the file has for them. If the model's input
/// has one channel and the file's kernel of a convolution over that input has three, the kernel is summed over the
/// three channels. The convolution is linear, so for a grey image it then gives what the file's kernel gives for that
/// image in all three channels. Every other tensor must be in the file with the model's shape. The file must have no
/// further tensors except I64 `num_batches_tracked`.
///
/// The file may be hostile, see SafetensorsFile. Fails with kInvalidArgument, naming the file and all tensors that are
/// missing, that the model doesn't have, or that have another shape.
/// @param replaced  names of layers as in layer_names.h
Result<StartingWeights> read_starting_weights(const std::filesystem::path& file, const ModelSpec& spec,
                                              std::span<const std::string> replaced, std::uint64_t seed);

/// Describes the origin of the tensors for a person: "60 tensors from resnet18.safetensors; conv1.weight from it,
/// summed over its 3 input channels; fc.weight, fc.bias from the seed; not used: the file's fc.bias, fc.weight".
/// @param file  the file that was read
[[nodiscard]] std::string in_words(const StartingWeights& weights, const std::filesystem::path& file);

}  // namespace consilium::model
