#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace consilium::trainer {

/// The options of `predict`.
struct PredictOptions {
  std::filesystem::path model;               ///< a results folder, or a .safetensors file
  std::optional<std::filesystem::path> job;  ///< for a model file: a job file, or a report.json
  std::filesystem::path input;               ///< an image file or a folder
  std::filesystem::path output;              ///< a folder that is empty or will be created
  std::string data;  ///< a site's description of its data set: client.yaml:NAME, or a .yaml file; empty: none
  std::filesystem::path preprocess;  ///< alternatively, only its part `preprocess`, a .yaml file; empty: none
  std::string atlas;                 ///< the file of the job's atlas; "" if it has none
  std::vector<std::string> classes;  ///< names of the classes; empty: those of the data set, or numbers
  bool overlays = false;             ///< write pictures with the predictions drawn in
  bool force = false;                ///< write into a folder that isn't empty
  bool json = false;                 ///< print the summary as JSON
  std::string device = "auto";
  unsigned threads = 1;
};

}  // namespace consilium::trainer
