#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/onnx/graph_builder.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::onnx {

/// ONNX opset of the files. onnxruntime supports it since 1.12.
inline constexpr int kOpset = 17;

/// Returns the input of a job's model: "image", or "features" if an example is a vector. It is float32 as the job's
/// data sets provide it (bytes divided by 255), before data.normalize.
[[nodiscard]] NamedShape input_of(const job::JobSpec& job);

/// Returns the outputs of a job's model, in the model's order: "logits", or for a detector "logits_0", "distances_0",
/// "centreness_0", "logits_1", ..., three for each level.
/// @param graph  expand(job.model)
[[nodiscard]] std::vector<NamedShape> outputs_of(const job::JobSpec& job, const model::Graph& graph);

/// Builds the ONNX file of a job's model for inference: the job's normalisation first, then the layers in float32,
/// without dropout and with the running statistics of batch normalisation. Tensors keep PyTorch's names. Fails with
/// kResourceExhausted if the file would reach 2 GiB, the most that protobuf writes.
/// @param manifest    build_manifest(job.model)
/// @param parameters  manifest.parameter_count() floats
/// @param metadata    written as metadata_props
Result<std::string> onnx_bytes(const job::JobSpec& job, const ParameterManifest& manifest,
                               std::span<const float> parameters, const std::map<std::string, std::string>& metadata);

/// Writes onnx_bytes() to a temporary file and renames it, replacing an existing file. Errors name the file.
Result<void> write_onnx(const std::filesystem::path& file, const job::JobSpec& job, const ParameterManifest& manifest,
                        std::span<const float> parameters, const std::map<std::string, std::string>& metadata);

}  // namespace consilium::onnx
