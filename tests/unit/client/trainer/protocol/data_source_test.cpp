#include "client/trainer/protocol/data_source.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/catch.h"

namespace consilium::trainer {
namespace {

using nlohmann::json;

const char* const kWhole = R"({
  "type": "dicom", "path": "/srv/ct",
  "labels": {"table": "labels.csv", "match": "study", "key": "uid", "mask": "mask", "threshold": 0.5, "classes": ["no", "yes"]},
  "split": {"patient": "who", "shares": [0.5, 0.25, 0.25], "seed": 9},
  "preprocess": {"slices": "axial", "crop": -500, "crop_margin": 4, "window": {"center": 40, "width": 400}, "spacing": [1, 1],
                 "size": [64, 64], "fit": "pad", "normalise": {"mean": [0.5], "std": [0.25]},
                 "patches": {"size": [32, 32], "per_item": 4, "foreground": 0.75}},
  "augment": {"flip": ["horizontal", "depth"], "rotate": 10, "scale": 0.1, "shift": 0.05, "elastic": 2, "intensity": 0.2, "noise": 0.01},
  "loading": {"cache": 1000, "threads": 3, "unreadable": 0.25}})";

std::string refusal(const json& document) {
  const auto source = data_source_from_json(document);
  return source ? "accepted" : source.error().message;
}

/// Returns the whole description with one member replaced.
json with(const std::string& pointer, const json& value) {
  json document = json::parse(kWhole);
  document[json::json_pointer(pointer)] = value;
  return document;
}

TEST_CASE("a description keeps every value on its way to the trainer") {
  const DataSource source = data_source_from_json(json::parse(kWhole)).value();
  CHECK(source.labels.match == LabelSource::Match::kStudy);
  CHECK(source.labels.threshold == 0.5);
  CHECK(source.split.seed == 9);
  CHECK(source.preprocess.window == std::array{-160.0, 240.0});
  CHECK(source.preprocess.fit == Preprocess::Fit::kPad);
  CHECK(source.augment.flip == std::array{true, false, true});
  CHECK(source.loading.threads == 3);
  CHECK(data_source_from_json(to_json(source)).value() == source);
  const DataSource plain{.type = "npz", .path = "/srv/a.npz"};
  CHECK(to_json(plain) == json{{"type", "npz"}, {"path", "/srv/a.npz"}});
  CHECK(data_source_from_json(to_json(plain)).value() == plain);
  DataSource columns{.type = "table", .path = "/srv"};
  columns.labels.table = "t.csv";
  columns.labels.columns = {"a", "b"};
  columns.split.column = "part";
  columns.preprocess.spacing = {1.0, 1.0};
  columns.preprocess.size = {4, 4};
  columns.preprocess.normalise = Preprocess::Normalise::kSite;
  CHECK(data_source_from_json(to_json(columns)).value() == columns);
}

TEST_CASE("wrong descriptions are refused by the key's path") {
  const std::vector<std::pair<json, std::string>> wrong{
      {with("/type", "parquet"), "type: expected npz, idx, image_folder, table, dicom or nifti, found 'parquet'"},
      {with("/path", ""), "path: expected text"},
      {with("/path", std::string("a\0b", 3)), "path: expected text"},
      {with("/typ", 1), "typ: unknown key"},
      {with("/labels/clas", "x"), "labels.clas: unknown key, did you mean 'class'?"},
      {with("/labels/match", "name"),
       "labels.match: expected one of file, patient, study, series, image, found 'name'"},
      {with("/labels/boxes", "b.json"), "labels: expected one of class, columns, mask, masks and boxes"},
      {with("/labels/table", json()), "labels.table: expected text"},
      {with("/labels/classes", json::array({"a", "a"})), "labels.classes[1]: is listed twice"},
      {with("/labels/threshold", "x"), "labels.threshold: expected a number"},
      {with("/split/shares", json::array({0.5, 0.5, 0.5})), "split.shares: expected three shares that add up to 1"},
      {with("/split/shares", json::array({0.0, 0.5, 0.5})),
       "split.shares: expected three shares that add up to 1, the first above 0"},
      {with("/split/column", "part"), "split: expected one of column, folders and shares"},
      {with("/split/patient_folder", true), "split: expected one of patient, patient_folder and patient_before"},
      {with("/split/seed", -1), "split.seed: expected an integer"},
      {with("/preprocess/window", json{{"low", 1}, {"width", 2}}),
       "preprocess.window: expected low and high, or center and width"},
      {with("/preprocess/window", json{{"low", 2}, {"high", 1}}), "preprocess.window: expected low below high"},
      {with("/preprocess/spacing", json::array({1, 1, 1})),
       "preprocess: expected the same number of dimensions in spacing, size and patches.size"},
      {with("/preprocess/size", json::array({0, 1})), "preprocess.size[0]: expected an integer 1 to 65536, found 0"},
      {with("/preprocess/size", json::array({1})), "preprocess.size: expected a list of 2 to 3"},
      {with("/preprocess/normalise", "always"), "preprocess.normalise: expected one of none, image, site"},
      {with("/preprocess/normalise/std", json::array({0.1, 0.2})),
       "preprocess.normalise: expected mean and std of the same length"},
      {with("/preprocess/patches/foreground", 2), "preprocess.patches.foreground: expected a number from 0 to 1"},
      {with("/augment/flip", json::array({"sideways"})),
       "augment.flip[0]: expected one of depth, vertical, horizontal"},
      {with("/augment/rotate", 1e300), "augment.rotate: expected a number from 0 to 180"},
      {with("/loading/threads", 0), "loading.threads: expected an integer 1 to 64"},
      {with("/augment", 3), "augment: expected a map"},
      {json::array(), "expected a map"},
      {json{{"type", "npz"}, {"path", "/a"}, {"labels", json::object()}}, "labels: type npz has its own labels"},
      {json{{"type", "table"}, {"path", "/a"}}, "labels.table: missing"},
      {json{{"type", "nifti"}, {"path", "/a"}, {"labels", {{"table", "t"}, {"match", "study"}}}},
       "labels.match: expected file"},
      {json{{"type", "nifti"}, {"path", "/a"}, {"split", {{"patient", "who"}}}},
       "split: names a column, so 'labels.table' is needed"},
      {json{{"type", "nifti"}, {"path", "/a"}, {"labels", {{"class", "c"}}}},
       "labels: names a column, so 'table' is needed"}};
  for (const auto& [document, part] : wrong) {
    CAPTURE(document.dump());
    CHECK_THAT(refusal(document), Catch::Contains(part));
  }
}

}  // namespace
}  // namespace consilium::trainer
