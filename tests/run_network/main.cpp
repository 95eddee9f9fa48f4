// Draws weights and images for a job's model, and writes the outputs of the trainer's network for them.
//   consilium-run-network JOB.yaml FOLDER   FOLDER/model.safetensors, and FOLDER/values.safetensors with the tensors
//                                           "input" (before data.normalize), "output.0", "output.1", ...
//   consilium-run-network --known           prints the names of the known models, one on each line

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <spdlog/fmt/fmt.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "client/trainer/models/network.h"
#include "common/job/job_text.h"
#include "common/model/layer_tensors.h"
#include "common/model/model_parameters.h"
#include "common/parameters/safetensors.h"
#include "common/random/random_stream.h"

namespace consilium::trainer {
namespace {

constexpr std::uint64_t kSeed = 20;
constexpr std::int64_t kImages = 3;

bool normalises(const model::Operation& operation) {
  return std::holds_alternative<model::BatchNorm>(operation) || std::holds_alternative<model::GroupNorm>(operation) ||
         std::holds_alternative<model::InstanceNorm>(operation);
}

/// The middle of the values of a tensor, and their largest distance from it. Values keep their size from layer to
/// layer. No tensor has the values of an untrained model, which would hide a mistake.
std::pair<double, double> range_of(const model::Layer& layer, const TensorInfo& tensor) {
  const auto is = [&](std::string_view kind) { return tensor.name.ends_with(kind); };
  if (is(".running_mean")) return {0.0, 0.3};
  if (is(".running_var")) return {1.0, 0.4};
  if (normalises(layer.operation)) return {is(".weight") ? 1.0 : 0.0, 0.3};
  if (is(".bias")) return {0.0, 0.3};
  const double inputs = static_cast<double>(tensor.size) / static_cast<double>(tensor.shape[0]);
  return {0.0, std::sqrt(6.0 / inputs)};  // He et al. 2015: a relu halves the variance
}

ParameterVector draw_weights(const model::Graph& graph, const ParameterManifest& manifest) {
  ParameterVector weights;
  std::size_t next = 0;  // the manifest has the tensors of the layers in order
  for (std::size_t i = 0; i < graph.layers.size(); ++i) {
    if (graph.layers[i].owner != i) continue;
    for (std::size_t count = model::tensors_of(graph.layers[i]).size(); count > 0; --count) {
      const TensorInfo& tensor = manifest.tensors()[next++];
      const auto [middle, most] = range_of(graph.layers[i], tensor);
      RandomStream stream(kSeed, RandomPurpose::kInitialWeights, 0, tensor.name);
      for (std::size_t k = 0; k < tensor.size; ++k)
        weights.push_back(static_cast<float>(middle + (2.0 * stream.next_double() - 1.0) * most));
    }
  }
  return weights;
}

/// Returns a batch [N, input...] of values from 0 to 1, in which each image is brighter than the one before it.
at::Tensor draw_images(const model::Shape& input) {
  std::vector<std::int64_t> shape{kImages};
  shape.insert(shape.end(), input.begin(), input.end());
  at::Tensor images = at::empty(shape, at::kFloat);
  RandomStream stream(kSeed, RandomPurpose::kSynthetic, 0, "images");
  const std::int64_t size = images.numel() / kImages;
  for (std::int64_t i = 0; i < images.numel(); ++i) {
    const float brightness = static_cast<float>(i / size + 1) / static_cast<float>(kImages);
    images.mutable_data_ptr<float>()[i] = brightness * stream.next_float();
  }
  return images;
}

/// (x - mean) / std, as the job specifies.
at::Tensor normalised(const at::Tensor& images, const job::DataSpec& data) {
  if (!data.normalize) return images;
  std::vector<std::int64_t> shape(static_cast<std::size_t>(images.dim()), 1);
  shape[1] = static_cast<std::int64_t>(data.normalize->mean.size());
  return (images - at::tensor(data.normalize->mean, at::kFloat).view(shape)) /
         at::tensor(data.normalize->std, at::kFloat).view(shape);
}

Result<void> write_values(const std::filesystem::path& file, const at::Tensor& images,
                          const std::vector<at::Tensor>& outputs) {
  std::vector<TensorInfo> infos;
  ParameterVector values;
  const auto add = [&](std::string name, const at::Tensor& tensor) {
    const at::Tensor flat = tensor.contiguous();
    infos.push_back({std::move(name), tensor.sizes().vec(), TensorRole::kTrainable});
    values.insert(values.end(), flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel());
  };
  add("input", images);
  for (std::size_t i = 0; i < outputs.size(); ++i) add(fmt::format("output.{}", i), outputs[i]);
  CONSILIUM_ASSIGN(const ParameterManifest manifest, ParameterManifest::create(std::move(infos)));
  return write_safetensors(file, manifest, values, {});
}

Result<void> run_job(const std::filesystem::path& file, const std::filesystem::path& folder) {
  at::set_num_threads(1);  // if every core is busy, threads that wait for each other take minutes
  const c10::InferenceMode guard;
  CONSILIUM_ASSIGN(const job::JobSpec job, job::read_job(file));
  CONSILIUM_ASSIGN(const model::Graph graph, model::expand(job.model));
  CONSILIUM_ASSIGN(const std::unique_ptr<Network> network, Network::create(job.model, at::kCPU));
  const ParameterVector weights = draw_weights(graph, network->manifest());
  network->storage().load(weights);
  const at::Tensor images = draw_images(job.model.input);
  const std::vector<at::Tensor> outputs = network->forward(normalised(images, job.data), Pass{});
  CONSILIUM_TRY(write_safetensors(folder / "model.safetensors", network->manifest(), weights, {}));
  return write_values(folder / "values.safetensors", images, outputs);
}

}  // namespace
}  // namespace consilium::trainer

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--known") {
    for (const std::string& name : consilium::model::known_models()) fmt::print("{}\n", name);
    return 0;
  }
  if (argc != 3) {
    fmt::print(stderr, "usage: consilium-run-network JOB.yaml FOLDER | --known\n");
    return 2;
  }
  const auto done = consilium::trainer::run_job(argv[1], argv[2]);
  if (!done) fmt::print(stderr, "consilium-run-network: {}\n", done.error().message);
  return done ? 0 : 1;
}
