#include "client/trainer/data/survey.h"

#include <string>
#include <vector>

#include "client/trainer/data/contact_sheet.h"
#include "tests/catch.h"
#include "tests/unit/client/trainer/data/item_files.h"

namespace consilium::data::testing {
namespace {

TEST_CASE("a survey counts items, patients, classes, shapes, ranges, equal images and what can't be read") {
  Folder folder;
  write_small(folder.path / "a.npy", 1);
  write_small(folder.path / "b.npy", 100);
  write_small(folder.path / "c.npy", 1);
  write_image(folder.path / "d.npy", 1, 2, {7, 8});
  spill(folder.path / "e.npy", "broken");
  spill(folder.path / "labels.csv",
        "file,class,who,part\na.npy,1,p1,train\nb.npy,0,p1,train\nc.npy,1,p2,test\nd.npy,1,p3,test\ne.npy,0,p4,val\nf."
        "npy,0,p5,val\n");
  trainer::DataSource source{.type = "table", .path = folder.path.string()};
  source.labels.table = "labels.csv";
  source.labels.class_column = "class";
  source.split.patient = "who";
  source.split.column = "part";
  const Collection collection = list(source).value();
  const Survey found = survey(collection, source, 3);
  CHECK(found.splits[0].items == 2);
  CHECK(found.splits[0].patients == 1);
  CHECK(found.splits[0].class_items == std::vector<std::uint64_t>{1, 1});
  CHECK(found.splits[1].items == 0);
  CHECK(found.splits[2].patients == 2);
  CHECK(found.shapes.at({1, 2, 2}) == 3);
  CHECK(found.shapes.at({1, 1, 2}) == 1);
  CHECK(found.values.low == 1.0);
  CHECK(found.values.high == 103.0);
  CHECK(found.without_spacing == 4);
  REQUIRE(found.equal.size() == 1);
  CHECK(found.equal[0].first == "a.npy");
  CHECK(found.equal[0].second == "c.npy");
  CHECK(found.equal[0].across_splits);
  REQUIRE(found.left_out.size() == 2);
  CHECK(found.left_out[0].id == "f.npy");
  CHECK(found.left_out[1].id == "e.npy");
}

TEST_CASE("a contact sheet draws each image and outlines its mask") {
  Folder folder;
  std::vector<std::uint8_t> pixels(32 * 32, 10), mask(32 * 32, 0);
  for (std::size_t i = 12 * 32; i < 20 * 32; ++i) mask[i] = i % 32 >= 12 && i % 32 < 20 ? 1 : 0;
  pixels[0] = 200;
  write_image(folder.path / "a.npy", 32, 32, pixels);
  write_image(folder.path / "mask.npy", 32, 32, mask);
  spill(folder.path / "broken.npy", "x");
  spill(folder.path / "labels.csv", "file,mask\na.npy,mask.npy\nbroken.npy,mask.npy\n");
  trainer::DataSource source{.type = "table", .path = folder.path.string()};
  source.labels.table = "labels.csv";
  source.labels.mask = "mask";
  const Collection collection = list(source).value();
  const Picture sheet = contact_sheet(collection, source);
  CHECK(sheet.width == 2 * 132 + 4);
  CHECK(sheet.height == 132 + 4);
  std::size_t red = 0;
  for (std::size_t i = 0; i < sheet.rgb.size(); i += 3) red += sheet.rgb[i] == 255 && sheet.rgb[i + 1] == 64 ? 1 : 0;
  CHECK(red > 100);
  CHECK(red < 200);
  const std::string png = to_png(sheet).value();
  CHECK(png.starts_with("\x89PNG"));
  CHECK(png.ends_with(std::string("IEND\xae\x42\x60\x82", 8)));
}

}  // namespace
}  // namespace consilium::data::testing
