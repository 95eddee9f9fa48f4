#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "client/trainer/predict/output_folder.h"
#include "client/trainer/predict/results.h"
#include "tests/catch.h"
#include "tests/unit/client/trainer/data/files.h"

namespace consilium::predict {
namespace {

using data::testing::Folder;
using data::testing::slurp;
using data::testing::spill;
using nlohmann::json;

/// Results of a task with two classes, and their images.
struct Run {
  explicit Run(task::TaskKind kind, std::vector<std::int64_t> input = {1, 4, 4})
      : choice{.preparation = data::Preparation::create(source(), input).value(),
               .scale = {},
               .classes = {"normal", "says \"so\", yes"},
               .in_words = "as it is"},
        output(OutputFolder::create(folder.path / "out", false).value()) {
    model.spec.name = "chest";
    model.spec.task = task::default_task(kind);
    model.spec.model.input = std::move(input);
    context = {.model = &model, .choice = &choice, .output = &output, .software = "test"};
    results = make_results(context).value();
    item.id = "a,b.png";
    item.files = {"/a,b.png"};
    image.item = &item;
    image.pixels.sides = {1, 4, 4};
  }
  static trainer::DataSource source() { return {.type = "image_folder", .path = "", .preprocess = {}}; }
  [[nodiscard]] std::string file(const std::string& name) const { return slurp(folder.path / "out" / name); }

  Folder folder;
  report::ResultFolder model;
  PreparationChoice choice;
  OutputFolder output;
  ResultContext context;
  data::Item item;
  Image image;
  std::unique_ptr<Results> results;
};

}  // namespace

TEST_CASE("a folder that holds something is written into by force alone") {
  const Folder folder;
  CHECK(OutputFolder::create(folder.path / "new" / "deep", false));
  spill(folder.path / "file", "x");
  const auto refused = OutputFolder::create(folder.path, false);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("isn't empty") && Catch::Contains("--force"));
  CHECK(OutputFolder::create(folder.path, true));
  CHECK_FALSE(OutputFolder::create(folder.path / "file", true));
  CHECK(slurp(folder.path / "file") == "x");
}

TEST_CASE("no two images get one name") {
  const Folder folder;
  OutputFolder output = OutputFolder::create(folder.path / "out", false).value();
  CHECK(output.name_for("masks", "p/1.png", ".png") == "masks/p/1.png");
  CHECK(output.name_for("masks", "p/1.jpg", ".png") == "masks/p/1.jpg.png");
  CHECK(output.name_for("masks", "p/1.nii.gz", ".nii.gz") == "masks/p/1.nii.gz");
  CHECK(output.name_for("masks", "q/1.png", ".png") == "masks/q/1.png");
}

TEST_CASE("a file is there once it is finished, and not before") {
  const Folder folder;
  GrowingFile file = GrowingFile::create(folder.path / "list.json").value();
  REQUIRE(file.append("[1,"));
  REQUIRE(file.append("2]"));
  CHECK_FALSE(std::filesystem::exists(folder.path / "list.json"));
  REQUIRE(file.finish());
  CHECK(slurp(folder.path / "list.json") == "[1,2]");
}

TEST_CASE("classes are written with their probabilities, as JSON and as a table") {
  Run run(task::TaskKind::kClassification);
  REQUIRE(run.results->take(run.image, 0, {}, {.probabilities = {0.25, 0.75}}));
  REQUIRE(run.results->finish_image(run.image));
  REQUIRE(run.results->take(run.image, 0, {}, {.probabilities = {0.9, 0.1}}));
  run.results->drop_image();
  REQUIRE(run.results->finish("\"failed\": [], \"skipped\": []"));
  const json read = json::parse(run.file("predictions.json"));
  CHECK(read.at("job") == "chest");
  CHECK(read.at("classes").size() == 2);
  REQUIRE(read.at("images").size() == 1);
  CHECK(read.at("images")[0] ==
        json{{"file", "a,b.png"}, {"predicted", "says \"so\", yes"}, {"probabilities", {0.25, 0.75}}});
  CHECK(run.file("predictions.csv") ==
        "file,plane,predicted,p_normal,\"p_says \"\"so\"\", yes\"\n"
        "\"a,b.png\",,\"says \"\"so\"\", yes\",0.25,0.75\n");
}

TEST_CASE("labels from the task's threshold on are predicted") {
  Run run(task::TaskKind::kMultiLabel);
  run.model.spec.task.threshold = 0.3;
  REQUIRE(run.results->take(run.image, 0, {}, {.probabilities = {0.3, 0.75}}));
  REQUIRE(run.results->finish_image(run.image));
  REQUIRE(run.results->take(run.image, 0, {}, {.probabilities = {0.29, 0.1}}));
  REQUIRE(run.results->finish_image(run.image));
  REQUIRE(run.results->finish("\"failed\": []"));
  const json images = json::parse(run.file("predictions.json")).at("images");
  CHECK(images[0].at("predicted").size() == 2);
  CHECK(images[1].at("predicted").empty());
}

TEST_CASE("a picture's mask is a PNG of its classes, and its segments are counted") {
  Run run(task::TaskKind::kSegmentation);
  data::Volume scores;
  scores.channels = 2;
  scores.sides = {1, 4, 4};
  scores.values.assign(32, 0.0F);
  scores.values[16 + 5] = 1.0F;
  REQUIRE(run.results->take(run.image, 0, {}, {.scores = scores}));
  REQUIRE(run.results->finish_image(run.image));
  REQUIRE(run.results->finish("\"failed\": []"));
  const json images = json::parse(run.file("predictions.json")).at("images");
  CHECK(images[0].at("mask") == "masks/a,b.png");
  CHECK(images[0].at("voxels") == json::array({15, 1}));
  CHECK(run.file("masks/a,b.png").starts_with("\x89PNG"));
}

TEST_CASE("boxes are written as COCO's tools read them") {
  Run run(task::TaskKind::kDetection);
  run.image.pixels.sides = {1, 40, 60};
  const data::Placement doubled{{1, 2, 2}, {0, 0, 0}};
  REQUIRE(run.results->take(run.image, 0, doubled, {.detections = {{{1, 2, 11, 6}, 0.5F, 1}}}));
  REQUIRE(run.results->finish_image(run.image));
  REQUIRE(run.results->take(run.image, 0, {}, {}));
  REQUIRE(run.results->finish_image(run.image));
  REQUIRE(run.results->finish("\"failed\": []"));
  const json images = json::parse(run.file("images.json")), found = json::parse(run.file("detections.json"));
  CHECK(images.at("images").size() == 2);
  CHECK(images.at("images")[0] == json{{"id", 1}, {"file_name", "a,b.png"}, {"width", 60}, {"height", 40}});
  CHECK(images.at("categories")[1] == json{{"id", 2}, {"name", "says \"so\", yes"}});
  CHECK(found == json::array({{{"image_id", 1}, {"category_id", 2}, {"bbox", {2, 4, 20, 8}}, {"score", 0.5}}}));
}

}  // namespace consilium::predict
