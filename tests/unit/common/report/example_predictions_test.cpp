#include "common/report/example_predictions.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "common/files/temporary_folder.h"
#include "common/job/job_text.h"
#include "common/report/report_files.h"
#include "tests/catch.h"
#include "tests/unit/common/report/report_job.h"

namespace consilium::report {
namespace {

using Catch::Contains;
using nlohmann::json;

constexpr const char* kPixels = "\x89PNG\r\n\x1a\nand pixels";

/// Creates a folder like one that `consilium-trainer predict --overlays` writes.
struct Predictions {
  files::TemporaryFolder folder = files::TemporaryFolder::create("predictions-").value();
  json index = {{"model", "abc"}, {"images", json::array()}};

  explicit Predictions(std::size_t images) {
    std::filesystem::create_directory(folder.path() / "overlays");
    for (std::size_t i = 0; i < images; ++i) {
      const std::string overlay = "overlays/" + std::to_string(i) + ".png";
      index["images"].push_back({{"file", std::to_string(i) + ".jpg"}, {"overlay", overlay}});
      write(overlay, kPixels + std::to_string(i));
    }
  }
  void write(const std::string& name, std::string_view text) const {
    std::ofstream(folder.path() / name, std::ios::binary) << text;
  }
  [[nodiscard]] Result<ExamplePredictions> read() const {
    write("predictions.json", index.dump());
    return read_example_predictions(folder.path());
  }
  [[nodiscard]] std::string error() const { return read().error().message; }
};

std::string page() {
  Report report;
  report.spec = job::parse_job(kReportJob, "job.yaml").value();
  return report_html(report);
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST_CASE("a page shows predictions from the whole of the list, a dozen at most, and needs no other file") {
  const auto examples = Predictions(60).read();
  REQUIRE(examples.has_value());
  CHECK(examples->model == "abc");
  CHECK(examples->images == 60);
  REQUIRE(examples->shown.size() == kMostExamples);
  CHECK(examples->shown.front().file == "0.jpg");
  CHECK(examples->shown.back().file == "55.jpg");
  const std::string made = with_example_predictions(page(), *examples, "page").value();
  CHECK(count(made, "<img ") == kMostExamples);
  CHECK(count(made, "src=\"data:image/png;base64,iVBORw0KGgphbmQgcGl4ZWxz") == kMostExamples);
  CHECK_THAT(made, Contains("12 of 60 predictions") && Contains("img-src data:"));
  CHECK(count(made, "</section>") == count(page(), "</section>") + 1);
}

TEST_CASE("examples replace those that a page has") {
  const auto many = Predictions(5).read();
  const auto one = Predictions(1).read();
  const std::string first = with_example_predictions(page(), *many, "page").value();
  CHECK(count(first, "<img ") == 5);
  const std::string second = with_example_predictions(first, *one, "page").value();
  CHECK(count(second, "<img ") == 1);
  CHECK(second == with_example_predictions(page(), *one, "page").value());
}

TEST_CASE("what a file is called is escaped, and its plane is counted from 1") {
  Predictions predictions(1);
  predictions.index["images"][0]["file"] = "\"><script>.png";
  predictions.index["images"][0]["plane"] = 4;
  const std::string made = with_example_predictions(page(), *predictions.read(), "page").value();
  CHECK(count(made, "<script>") == 0);
  CHECK_THAT(made, Contains("&lt;script&gt;.png, plane 5"));
}

TEST_CASE("predictions that can't be shown are refused by file, with what was expected") {
  Predictions predictions(2);
  CHECK_THAT(read_example_predictions("/nowhere").error().message, Contains("/nowhere/predictions.json"));
  predictions.index["images"][0]["overlay"] = "../secret.png";
  CHECK_THAT(predictions.error(), Contains("expected a file below") && Contains("../secret.png"));
  const auto elsewhere = files::TemporaryFolder::create("elsewhere-").value();
  std::ofstream(elsewhere.path() / "secret.png") << kPixels;
  std::filesystem::create_symlink(elsewhere.path() / "secret.png", predictions.folder.path() / "link.png");
  predictions.index["images"][0]["overlay"] = "link.png";
  CHECK_THAT(predictions.error(), Contains("expected a file below") && Contains("link.png"));
  predictions.index["images"][0]["overlay"] = "/etc/passwd";
  CHECK_THAT(predictions.error(), Contains("expected a file below"));
  predictions.index["images"][0]["overlay"] = "overlays/gone.png";
  CHECK_THAT(predictions.error(), Contains("overlays/gone.png"));
  predictions.index["images"][0]["overlay"] = "overlays/0.png";
  predictions.write("overlays/0.png", "GIF89a");
  CHECK_THAT(predictions.error(), Contains("overlays/0.png: expected a PNG file"));
  predictions.write("overlays/0.png", kPixels + std::string(kMostExampleBytes, 'x'));
  CHECK_THAT(predictions.error(), Contains("overlays/0.png"));
  predictions.index["images"] = json::array({{{"file", "a.jpg"}}});
  CHECK_THAT(predictions.error(), Contains("predict with --overlays"));
  predictions.index["images"] = 7;
  CHECK_THAT(predictions.error(), Contains("'model' and 'images'"));
  CHECK_THAT(with_example_predictions("<html></html>", {}, "old.html").error().message,
             Contains("old.html: expected a report.html of this version"));
}

}  // namespace
}  // namespace consilium::report
