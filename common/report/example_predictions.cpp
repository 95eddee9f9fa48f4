#include "common/report/example_predictions.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/crypto/base64.h"
#include "common/files/files.h"
#include "common/report/bounded_json.h"
#include "common/report/html_sections.h"
#include "common/report/markup.h"
#include "common/report/result_folder.h"

namespace consilium::report {
namespace {

using nlohmann::json;

constexpr const char* kPredictionsFile = "predictions.json";
constexpr int kMostDepth = 8;
constexpr std::string_view kPngSignature = "\x89PNG\r\n\x1a\n";

Result<json> parse_predictions(const std::filesystem::path& file) {
  CONSILIUM_ASSIGN(const std::string text, files::read_file(file, kMostReportBytes));
  const auto parsed = parse_bounded_json(text, kMostDepth);
  if (!parsed || !parsed->is_object() || !parsed->contains("images") || !(*parsed)["images"].is_array() ||
      !parsed->contains("model") || !(*parsed)["model"].is_string()) {
    return fail(
        ErrorCode::kInvalidArgument,
        file.string() + ": expected what 'consilium-trainer predict' writes, with the keys 'model' and 'images'");
  }
  return *parsed;
}

/// Returns true if a name leads to a file below the folder in which it is looked up, even through a link.
bool is_below(const std::filesystem::path& folder, const std::filesystem::path& name) {
  std::error_code ignored;
  const std::filesystem::path top = std::filesystem::canonical(folder, ignored);
  const std::filesystem::path file = std::filesystem::weakly_canonical(folder / name, ignored);
  return !name.empty() && !top.empty() &&
         std::mismatch(top.begin(), top.end(), file.begin(), file.end()).first == top.end() && file != top;
}

Result<ExamplePrediction> read_example(const std::filesystem::path& folder, const json& image) {
  const auto overlay = image["overlay"].get<std::string>();
  const std::filesystem::path index = folder / kPredictionsFile;
  if (!is_below(folder, overlay)) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}: images.overlay: expected a file below {}, found '{}'",
                                                         index.string(), folder.string(), overlay));
  }
  ExamplePrediction example;
  if (image.contains("file") && image["file"].is_string()) example.file = image["file"].get<std::string>();
  if (image.contains("plane") && image["plane"].is_number_unsigned())
    example.plane = image["plane"].get<std::uint64_t>();
  CONSILIUM_ASSIGN(example.png, files::read_file(folder / overlay, kMostExampleBytes));
  if (!example.png.starts_with(kPngSignature))
    return fail(ErrorCode::kInvalidArgument, (folder / overlay).string() + ": expected a PNG file");
  return example;
}

std::string section_of(const ExamplePredictions& examples) {
  std::string out = fmt::format(
      "<section><h2>Example predictions</h2>\n<p>{} of {} predictions of this model. The author of this page states "
      "that the images are public; this program can't check that. The model is for research; it is not a medical "
      "device.</p>\n"
      "<div class=\"examples\">\n",
      examples.shown.size(), examples.images);
  for (const ExamplePrediction& example : examples.shown) {
    std::string caption = example.file;
    if (example.plane) caption += fmt::format(", plane {}", *example.plane + 1);
    const std::string escaped = escape_markup(caption);
    out += fmt::format(
        "<figure><img alt=\"{0}\" src=\"data:image/png;base64,{1}\"><figcaption>{0}</figcaption></figure>\n", escaped,
        crypto::to_base64(std::as_bytes(std::span(example.png))));
  }
  return out + "</div></section>\n";
}

}  // namespace

Result<ExamplePredictions> read_example_predictions(const std::filesystem::path& folder) {
  CONSILIUM_ASSIGN(const json parsed, parse_predictions(folder / kPredictionsFile));
  std::vector<const json*> drawn;
  for (const json& image : parsed["images"]) {
    if (image.is_object() && image.contains("overlay") && image["overlay"].is_string()) drawn.push_back(&image);
  }
  if (drawn.empty()) {
    return fail(ErrorCode::kFailedPrecondition, fmt::format("{}: no image has an overlay; predict with --overlays",
                                                            (folder / kPredictionsFile).string()));
  }
  ExamplePredictions examples{parsed["model"].get<std::string>(), parsed["images"].size(), {}};
  const std::size_t count = std::min(drawn.size(), kMostExamples);
  for (std::size_t i = 0; i < count; ++i) {
    CONSILIUM_ASSIGN(ExamplePrediction example, read_example(folder, *drawn[i * drawn.size() / count]));
    examples.shown.push_back(std::move(example));
  }
  return examples;
}

Result<std::string> with_example_predictions(std::string page, const ExamplePredictions& examples,
                                             const std::string& name) {
  const std::size_t begin = page.find(kExamplesBegin);
  const std::size_t end = page.find(kExamplesEnd, begin);
  if (begin == std::string::npos || end == std::string::npos) {
    return fail(ErrorCode::kInvalidArgument,
                name + ": expected a report.html of this version, with a place for example predictions");
  }
  const std::size_t from = begin + kExamplesBegin.size();
  page.replace(from, end - from, "\n" + section_of(examples));
  return page;
}

}  // namespace consilium::report
