#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace consilium::trainer {

/// What `predict` was asked for.
struct PredictOptions {
  std::filesystem::path model;               ///< a folder of results, or a .safetensors file
  std::optional<std::filesystem::path> job;  ///< of a model by itself: a job file, or a report.json
  std::filesystem::path input;               ///< an image file or a folder
  std::filesystem::path output;              ///< a folder that is made, or is empty
  std::string data;  ///< how a site describes its data set: client.yaml:NAME, or a .yaml file; empty: none
  std::filesystem::path preprocess;  ///< or its part `preprocess` alone, a .yaml file; empty: none
  std::string atlas;                 ///< the file of the job's atlas; "" where it has none
  std::vector<std::string> classes;  ///< names of the classes; empty: the data set's, or numbers
  bool overlays = false;             ///< pictures with the predictions drawn in
  bool force = false;                ///< write into a folder that isn't empty
  bool json = false;                 ///< print the summary as JSON
  std::string device = "auto";
  unsigned threads = 1;
};

}  // namespace consilium::trainer
