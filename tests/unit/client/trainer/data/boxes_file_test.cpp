#include "client/trainer/data/boxes_file.h"

#include <string>
#include <utility>
#include <vector>

#include "tests/catch.h"
#include "tests/unit/client/trainer/data/files.h"

namespace consilium::data::testing {
namespace {

const std::string kCoco =
    R"({"images": [{"id": 7, "file_name": "a.png", "width": 20, "height": 10}, {"id": 8, "file_name": "b.png"}],
        "annotations": [{"image_id": 7, "category_id": 5, "bbox": [1, 2.5, 3, 4]}],
        "categories": [{"id": 5, "name": "fracture"}, {"id": 2, "name": "implant"}]})";

Result<BoxesByFile> read(const std::string& name, const std::string& text, std::vector<std::string>& classes) {
  const Folder folder;
  spill(folder.path / name, text);
  return read_boxes(folder.path / name, classes);
}

std::string refusal(const std::string& name, const std::string& text) {
  std::vector<std::string> classes;
  const auto boxes = read(name, text, classes);
  return boxes ? "accepted" : boxes.error().message;
}

std::string with(std::string text, const std::string& from, const std::string& to) {
  REQUIRE(text.find(from) != std::string::npos);
  return text.replace(text.find(from), from.size(), to);
}

TEST_CASE("COCO boxes are read by image, with its size, and classes in the order of their ids") {
  std::vector<std::string> classes;
  const BoxesByFile boxes = read("boxes.json", kCoco, classes).value();
  CHECK(classes == std::vector<std::string>{"implant", "fracture"});
  CHECK(boxes.at("a.png") == Boxes{{{1.0F, 2.5F, 4.0F, 6.5F, 1}}, 20, 10});
  CHECK(boxes.at("b.png").boxes.empty());
  classes = {"fracture", "implant"};
  CHECK(read("boxes.json", kCoco, classes).value().at("a.png").boxes[0].label == 0);
}

TEST_CASE("boxes of a table are read by file; a row without numbers is an image without boxes") {
  std::vector<std::string> classes;
  const BoxesByFile boxes =
      read("boxes.csv", "file,x,y,width,height,class\na,1,2,3,4,lesion\na,5,6,1,1,cyst\nb,,,,,\n", classes).value();
  CHECK(classes == std::vector<std::string>{"cyst", "lesion"});
  CHECK(boxes.at("a").boxes == std::vector<Box>{{1, 2, 4, 6, 1}, {5, 6, 6, 7, 0}});
  CHECK(boxes.at("b").boxes.empty());
}

TEST_CASE("wrong boxes are refused with their place") {
  const std::vector<std::pair<std::string, std::string>> wrong{
      {with(kCoco, "[1, 2.5, 3, 4]", "[1, 2.5, 3]"), "boxes.json: annotations[0]"},
      {with(kCoco, "[1, 2.5, 3, 4]", "[1, 2.5, -3, 4]"), "annotations[0]: expected x, y, width and height"},
      {with(kCoco, "[1, 2.5, 3, 4]", "[1, 2.5, 1e99, 4]"), "annotations[0]"},
      {with(kCoco, "[1, 2.5, 3, 4]", "[1, null, 3, 4]"), "annotations[0]"},
      {with(kCoco, "\"image_id\": 7", "\"image_id\": 9"), "annotations[0]: its image_id"},
      {with(kCoco, "\"category_id\": 5", "\"category_id\": 9"), "annotations[0]: its image_id or category_id"},
      {with(kCoco, "\"id\": 8", "\"id\": 7"), "images[1]: its id or file_name"},
      {with(kCoco, "b.png", "a.png"), "images[1]: its id or file_name"},
      {with(kCoco, "\"id\": 2", "\"id\": 5"), "categories: an id is listed twice"},
      {with(kCoco, "\"categories\"", "\"cats\""), "categories: expected a list"},
      {"[]", "boxes.json: expected an object"},
      {"{", "boxes.json: isn't valid JSON"},
      {std::string(100000, '['), "is nested deeper"}};
  for (const auto& [text, part] : wrong) {
    CAPTURE(text.substr(0, 300));
    CHECK_THAT(refusal("boxes.json", text), Catch::Contains(part));
  }
  CHECK_THAT(refusal("boxes.csv", "file,x,y,width,height\na,1,2,nan,4\n"), Catch::Contains("boxes.csv, line 2"));
  CHECK_THAT(refusal("boxes.csv", "file,x,y,width,height\na,1,2,0,4\n"), Catch::Contains("boxes.csv, line 2"));
  CHECK_THAT(refusal("boxes.csv", "file,x,y,width\na,1,2,3\n"), Catch::Contains("no column 'height'"));
}

}  // namespace
}  // namespace consilium::data::testing
