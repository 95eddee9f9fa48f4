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

/// What is written: opset 17, which onnxruntime reads since 1.12.
inline constexpr int kOpset = 17;

/// What a job's model takes: "image", or "features" where an example is a vector. Float32, as the job's data sets give
/// it (bytes divided by 255), before data.normalize.
[[nodiscard]] NamedShape input_of(const job::JobSpec& job);

/// What it yields, in the model's order: "logits"; of a detector "logits_0", "distances_0", "centreness_0", "logits_1",
/// ..., three for each level.
/// @param graph  expand(job.model)
[[nodiscard]] std::vector<NamedShape> outputs_of(const job::JobSpec& job, const model::Graph& graph);

/// Builds the file of a job's model as it is used: the job's normalisation first, then the layers, without dropout and
/// with the running statistics of batch normalisation, in float32. Tensors keep PyTorch's names. Fails with
/// kResourceExhausted where the file would reach 2 GiB, the most that protobuf writes.
/// @param manifest    build_manifest(job.model)
/// @param parameters  manifest.parameter_count() floats
/// @param metadata    written as metadata_props
Result<std::string> onnx_bytes(const job::JobSpec& job, const ParameterManifest& manifest,
                               std::span<const float> parameters, const std::map<std::string, std::string>& metadata);

/// Writes onnx_bytes() through a temporary file and rename, in place of what lies there. Errors name the file.
Result<void> write_onnx(const std::filesystem::path& file, const job::JobSpec& job, const ParameterManifest& manifest,
                        std::span<const float> parameters, const std::map<std::string, std::string>& metadata);

}  // namespace consilium::onnx
