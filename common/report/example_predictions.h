#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/error/error.h"

/// Predictions of a job's model on public images, shown as pictures in its report.html.
namespace consilium::report {

/// Largest number of pictures on a page, and largest size of one of them in bytes.
inline constexpr std::size_t kMostExamples = 12;
inline constexpr std::size_t kMostExampleBytes = std::size_t{4} << 20;

/// An image with its prediction drawn into it.
struct ExamplePrediction {
  std::string file;                      ///< the image's name
  std::optional<std::uint64_t> plane{};  ///< set if a volume was cut into planes
  std::string png;
};

/// The content of a folder written by `consilium-trainer predict --overlays`, as far as a page shows it.
struct ExamplePredictions {
  std::string model;         ///< SHA-256, in hexadecimal, of the model that made the predictions
  std::uint64_t images = 0;  ///< number of predictions in the folder
  std::vector<ExamplePrediction> shown;
};

/// Reads predictions.json and the overlays that it names: up to kMostExamples of them, evenly spaced over the list, so
/// that folders of different classes are all represented. The files may be hostile: sizes are bounded, and a name that
/// leads out of the folder is refused. Errors name the file.
Result<ExamplePredictions> read_example_predictions(const std::filesystem::path& folder);

/// Inserts example predictions into a page made by report_html(), replacing any that it has. Fails with
/// kInvalidArgument if it isn't such a page.
/// @param name  name of the page in error messages
Result<std::string> with_example_predictions(std::string page, const ExamplePredictions& examples,
                                             const std::string& name);

}  // namespace consilium::report
