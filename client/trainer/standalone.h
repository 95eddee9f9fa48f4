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

/// The options that the commands of a stand-alone trainer share. Each command takes a decoder for image files, which
/// can be null if the data set has only arrays.
struct StandaloneOptions {
  std::string job;   ///< a job file
  std::string data;  ///< a data set, or a .yaml file that describes one
  std::string device = "auto";
  unsigned threads = 1;
  bool json = false;
  std::string atlas;              ///< the file of the job's atlas; "" if it has none
  std::filesystem::path scratch;  ///< folder of the file that holds prepared images beyond `loading.cache`; empty: none
  std::uint64_t scratch_bytes = std::uint64_t{64} << 30;
};

/// The options of `train`, which trains the job's model on one data set, without a federation, and writes it as
/// safetensors. The random streams are those of round 1 at a site that is named like the data set. The proximal term is
/// left out.
struct TrainOptions : StandaloneOptions {
  std::filesystem::path out;
  std::optional<std::filesystem::path> start;  ///< initial weights; else the job's, or random ones from its seed
  std::optional<std::uint32_t> epochs;         ///< overrides training.local_epochs
};
Result<void> run_train(const TrainOptions& options, std::shared_ptr<data::ImageDecoder> decoder);

/// The options of `evaluate`, which prints the loss, accuracy, AUC and confusion matrix of a model on one split.
struct EvaluateOptions : StandaloneOptions {
  std::filesystem::path model;
  job::Split split = job::Split::kTest;
};
Result<void> run_evaluate(const EvaluateOptions& options, std::shared_ptr<data::ImageDecoder> decoder);

}  // namespace consilium::trainer
