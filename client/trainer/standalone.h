#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "client/trainer/data/decoded_image.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"

namespace consilium::trainer {

/// What the commands of a stand-alone trainer share. Each takes a decoder of image files, or null where there are
/// arrays alone.
struct StandaloneOptions {
  std::string job;   ///< a job file
  std::string data;  ///< a data set, or a .yaml file that describes one
  std::string device = "auto";
  unsigned threads = 1;
  bool json = false;
  std::string atlas;              ///< the file of the job's atlas; "" where it has none
  std::filesystem::path scratch;  ///< folder of the file for prepared images beyond `loading.cache`; empty: none
  std::uint64_t scratch_bytes = std::uint64_t{64} << 30;
};

/// `train`: trains the job's model on one data set, without a federation, and writes it as safetensors. Site and round
/// name the random streams; the proximal term is left out.
struct TrainOptions : StandaloneOptions {
  std::filesystem::path out;
  std::optional<std::filesystem::path> start;  ///< weights to begin with; else the job's, else drawn from its seed
  std::optional<std::uint32_t> epochs;         ///< else training.local_epochs
};
Result<void> run_train(const TrainOptions& options, std::shared_ptr<data::ImageDecoder> decoder);

/// `evaluate`: prints loss, accuracy, AUC and the confusion matrix of a model on a split.
struct EvaluateOptions : StandaloneOptions {
  std::filesystem::path model;
  job::Split split = job::Split::kTest;
};
Result<void> run_evaluate(const EvaluateOptions& options, std::shared_ptr<data::ImageDecoder> decoder);

}  // namespace consilium::trainer
