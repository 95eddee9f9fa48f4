#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/error/error.h"

/// Predictions of a job's model on public images, as pictures in its report.html.
namespace consilium::report {

/// Pictures that a page shows, and the bytes that one of them may have.
inline constexpr std::size_t kMostExamples = 12;
inline constexpr std::size_t kMostExampleBytes = std::size_t{4} << 20;

/// An image with a prediction drawn in.
struct ExamplePrediction {
  std::string file;                      ///< the image's name
  std::optional<std::uint64_t> plane{};  ///< of a volume that is cut into planes
  std::string png;
};

/// What `consilium-trainer predict --overlays` left in a folder, as far as a page shows it.
struct ExamplePredictions {
  std::string model;         ///< SHA-256 of the model that predicted, in hexadecimal
  std::uint64_t images = 0;  ///< predictions in the folder
  std::vector<ExamplePrediction> shown;
};

/// Reads predictions.json and the overlays that it names, kMostExamples of them evenly spaced over the list, so that
/// folders of different classes are all seen. The files are hostile: sizes are bounded, and a name that leads out of
/// the folder is refused. Errors name the file.
Result<ExamplePredictions> read_example_predictions(const std::filesystem::path& folder);

/// Puts example predictions into a page of report_html(), in place of those that it has.
/// @param name  what errors call the page. kInvalidArgument where it isn't such a page.
Result<std::string> with_example_predictions(std::string page, const ExamplePredictions& examples,
                                             const std::string& name);

}  // namespace consilium::report
