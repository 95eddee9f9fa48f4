#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "client/trainer/data/dataset_folder.h"
#include "client/trainer/data/split.h"
#include "tests/catch.h"
#include "tests/unit/client/trainer/data/item_files.h"

namespace consilium::data::testing {
namespace {

namespace fs = std::filesystem;

/// Returns the class of an item whose target is a class.
std::uint16_t class_of(const Item& item) { return std::get<ClassLabel>(item.target).value; }

const Item& item_named(const Collection& collection, const std::string& id) {
  const auto found =
      std::find_if(collection.items.begin(), collection.items.end(), [&](const Item& item) { return item.id == id; });
  REQUIRE(found != collection.items.end());
  return *found;
}

trainer::DataSource table_source(const Folder& folder) {
  trainer::DataSource source{.type = "table", .path = folder.path.string()};
  source.labels.table = "labels.csv";
  source.labels.class_column = "class";
  return source;
}

TEST_CASE("a folder a class gives the classes in the order of their names, or as they are listed") {
  const Folder folder;
  for (const char* name : {"pneumonia/a.npy", "normal/b.npy", "normal/c.npy"}) write_small(folder.path / name, 1);
  spill(folder.path / "normal" / "notes.txt", "x");
  trainer::DataSource source{.type = "image_folder", .path = folder.path.string()};
  const Collection sorted = list(source).value();
  REQUIRE(sorted.items.size() == 3);
  CHECK(sorted.classes == std::vector<std::string>{"normal", "pneumonia"});
  CHECK(class_of(item_named(sorted, "normal/b.npy")) == 0);
  CHECK(class_of(item_named(sorted, "pneumonia/a.npy")) == 1);
  source.labels.classes = {"pneumonia", "normal"};
  CHECK(class_of(item_named(list(source).value(), "normal/b.npy")) == 1);
  source.labels.classes = {"normal"};
  const Collection fewer = list(source).value();
  CHECK(fewer.items.size() == 2);
  REQUIRE(fewer.left_out.size() == 1);
  CHECK(fewer.left_out[0].id == "pneumonia/a.npy");
  CHECK(fewer.left_out[0].unlabelled);
}

TEST_CASE("folders named train, val and test are the splits") {
  const Folder folder;
  for (const char* name : {"train/x/a.npy", "val/x/b.npy", "test/y/c.npy", "other/x/d.npy"})
    write_small(folder.path / name, 1);
  trainer::DataSource source{.type = "image_folder", .path = folder.path.string()};
  source.split.folders = true;
  const Collection collection = list(source).value();
  CHECK(item_named(collection, "val/x/b.npy").split == job::Split::kVal);
  CHECK(item_named(collection, "test/y/c.npy").split == job::Split::kTest);
  CHECK(class_of(item_named(collection, "test/y/c.npy")) == 1);
  CHECK(collection.items.size() == 3);
}

TEST_CASE("a table lists files, classes, patients and splits") {
  const Folder folder;
  for (const char* name : {"img/a.npy", "img/b.npy", "img/c.npy"}) write_small(folder.path / name, 1);
  spill(folder.path / "labels.csv",
        "file,class,who,part\nimg/a.npy,1,p1,train\nimg/b.npy,0,p2,Validation\nimg/c.npy,1,p1,train\n");
  trainer::DataSource source = table_source(folder);
  source.split.patient = "who";
  source.split.column = "part";
  const Collection collection = list(source).value();
  REQUIRE(collection.items.size() == 3);
  CHECK(item_named(collection, "img/b.npy").split == job::Split::kVal);
  CHECK(item_named(collection, "img/c.npy").patient == "p1");
  CHECK(class_of(collection.items[0]) == 1);
  CHECK(collection.items[0].origin == "labels.csv, line 2");
}

TEST_CASE("a patient in two splits is refused by the splits' names and the files, never the patient's") {
  const Folder folder;
  for (const char* name : {"a.npy", "b.npy"}) write_small(folder.path / name, 1);
  spill(folder.path / "labels.csv", "file,class,who,part\na.npy,1,Jane Roe,train\nb.npy,0,Jane Roe,test\n");
  trainer::DataSource source = table_source(folder);
  source.split.patient = "who";
  source.split.column = "part";
  const auto refused = list(source);
  check_refusal(refused, {"a patient is in two splits", "'a.npy' (labels.csv, line 2) in train",
                          "'b.npy' (labels.csv, line 3) in test"});
  CHECK_THAT(refused.error().message, !Catch::Contains("Jane"));
}

TEST_CASE("a hostile or wrong table is refused with file, line and column") {
  const Folder folder;
  write_small(folder.path / "a.npy", 1);
  const Folder outside;
  write_small(outside.path / "secret.npy", 1);
  fs::create_directory_symlink(outside.path, folder.path / "away");
  const std::vector<std::pair<std::string, std::vector<std::string>>> wrong{
      {"file,class\n../x.npy,0\n", {"labels.csv, line 2", "column 'file'", "without '..'"}},
      {"file,class\n" + (outside.path / "secret.npy").string() + ",0\n",
       {"labels.csv, line 2", "below the data set's folder"}},
      {"file,class\naway/secret.npy,0\n", {"labels.csv, line 2", "leads out of the data set's folder"}},
      {"file,class\na.npy,0\na.npy,1\n",
       {"labels.csv, line 3", "column 'file'", "this value is already in labels.csv, line 2"}},
      {"file,class\na.npy,-1\n", {"labels.csv, line 2", "column 'class'", "a number from 0"}},
      {"file,class\na.npy,70000\n", {"labels.csv, line 2", "column 'class'"}},
      {"file,class\n,1\n", {"labels.csv, line 2", "column 'file'", "empty"}},
      {"file,label\na.npy,1\n", {"labels.csv: no column 'class'"}},
      {"file,class\nnone.npy,1\n", {"holds no items", "none.npy", "no such file"}}};
  for (const auto& [text, parts] : wrong) {
    CAPTURE(text);
    spill(folder.path / "labels.csv", text);
    check_refusal(list(table_source(folder)), parts);
  }
  trainer::DataSource away = table_source(folder);
  away.labels.table = "../labels.csv";
  check_refusal(list(away), {folder.path.string(), "labels.table", "without '..'"});
}

TEST_CASE("a link to a file counts as the file wherever it lies, and a link to a folder isn't followed") {
  const Folder folder, annex;
  write_small(folder.path / "x" / "a.npy", 1);
  write_small(annex.path / "objects" / "b1" / "content.npy", 1);
  fs::create_symlink(annex.path / "objects" / "b1" / "content.npy", folder.path / "x" / "b.npy");
  fs::create_symlink(annex.path / "dropped.npy", folder.path / "x" / "c.npy");
  fs::create_directory_symlink(annex.path, folder.path / "y");
  fs::create_directory_symlink(folder.path, folder.path / "x" / "loop");
  const auto names = DatasetFolder::open(folder.path).value().list("", {".npy"}).value();
  CHECK(names == std::vector<std::string>{"x/a.npy", "x/b.npy"});
  spill(folder.path / "labels.csv", "file,class\nx/a.npy,0\nx/b.npy,1\n");
  CHECK(list(table_source(folder)).value().items.size() == 2);
}

TEST_CASE("several labels, masks and boxes are targets too") {
  const Folder folder;
  for (const char* name : {"a.npy", "b.npy", "masks/a.npy"}) write_small(folder.path / name, 0);
  trainer::DataSource source{.type = "table", .path = folder.path.string()};
  source.labels.table = "labels.csv";
  SECTION("labels") {
    spill(folder.path / "labels.csv", "file,edema,mass\na.npy,1,0\nb.npy,1,1\n");
    source.labels.columns = {"edema", "mass"};
    const Collection collection = list(source).value();
    CHECK(collection.kind == TargetKind::kLabels);
    CHECK(collection.classes == source.labels.columns);
    CHECK(std::get<LabelVector>(collection.items[0].target).values == std::vector<std::uint8_t>{1, 0});
    spill(folder.path / "labels.csv", "file,edema,mass\na.npy,1,maybe\n");
    check_refusal(list(source), {"labels.csv, line 2", "column 'mass'", "expected 0 or 1"});
  }
  SECTION("masks by a column") {
    spill(folder.path / "labels.csv", "file,mask\na.npy,masks/a.npy\n");
    source.labels.mask = "mask";
    const Collection collection = list(source).value();
    CHECK(collection.kind == TargetKind::kMask);
    CHECK(std::get<MaskFile>(collection.items[0].target).file.filename() == "a.npy");
    spill(folder.path / "labels.csv", "file,mask\na.npy,masks/../../a.npy\n");
    check_refusal(list(source), {"labels.csv, line 2", "column 'mask'", "without '..'"});
  }
  SECTION("masks by their names") {
    trainer::DataSource images{.type = "image_folder", .path = folder.path.string()};
    images.labels.masks = "masks";
    const Collection collection = list(images).value();
    REQUIRE(collection.items.size() == 1);
    CHECK(collection.items[0].id == "a.npy");
    REQUIRE(collection.left_out.size() == 1);
    CHECK(collection.left_out[0].id == "b.npy");
  }
  SECTION("boxes") {
    spill(folder.path / "boxes.csv", "file,x,y,width,height\na.npy,0,0,1,1\nb.npy,,,,\n");
    trainer::DataSource images{.type = "image_folder", .path = folder.path.string()};
    images.labels.boxes = "boxes.csv";
    const Collection collection = list(images).value();
    CHECK(collection.kind == TargetKind::kBoxes);
    CHECK(std::get<Boxes>(item_named(collection, "a.npy").target).boxes == std::vector<Box>{{0, 0, 1, 1, 0}});
    CHECK(std::get<Boxes>(item_named(collection, "b.npy").target).boxes.empty());
  }
}

TEST_CASE("splits by shares keep patients together, repeat, and move few patients when one is added") {
  std::vector<Item> items;
  for (int patient = 0; patient < 100; ++patient) {
    for (int image = 0; image < 3; ++image) {
      Item item;
      item.id = std::to_string(patient) + "-" + std::to_string(image);
      item.patient = "p" + std::to_string(patient);
      items.push_back(item);
    }
  }
  trainer::SplitSource shares;
  split_by_patient(items, shares);
  REQUIRE(check_patients(items));
  std::map<job::Split, std::set<std::string>> patients;
  std::map<std::string, job::Split> before;
  for (const Item& item : items) {
    patients[item.split].insert(item.patient);
    before[item.patient] = item.split;
  }
  CHECK(patients[job::Split::kTrain].size() == 80);
  CHECK(patients[job::Split::kVal].size() == 10);
  CHECK(patients[job::Split::kTest].size() == 10);
  auto again = items;
  std::reverse(again.begin(), again.end());
  split_by_patient(again, shares);
  for (const Item& item : again) CHECK(item.split == before[item.patient]);
  shares.seed = 1;
  split_by_patient(again, shares);
  CHECK(std::any_of(again.begin(), again.end(), [&](const Item& item) { return item.split != before[item.patient]; }));
  shares.seed = 0;
  items.push_back({});
  items.back().patient = "new";
  split_by_patient(items, shares);
  std::set<std::string> moved;
  for (const Item& item : items)
    if (item.patient != "new" && item.split != before[item.patient]) moved.insert(item.patient);
  CHECK(moved.size() <= 2);
}

TEST_CASE("small data sets have each split that has a share, and keep a training patient") {
  for (const std::size_t count : {1U, 2U, 3U, 4U}) {
    std::vector<Item> items(count);
    for (std::size_t i = 0; i < count; ++i) items[i].id = std::to_string(i);
    split_by_patient(items, {});
    std::map<job::Split, std::size_t> sizes;
    for (const Item& item : items) ++sizes[item.split];
    CHECK(sizes[job::Split::kTrain] >= 1);
    CHECK(sizes[job::Split::kTest] == (count >= 2 ? 1 : 0));
    CHECK(sizes[job::Split::kVal] == (count >= 3 ? 1 : 0));
  }
}

TEST_CASE("a patient may be the folder or the beginning of a file's name") {
  const Folder folder;
  for (const char* name : {"x/p1_a.npy", "x/p1_b.npy", "y/p2_a.npy"}) write_small(folder.path / name, 1);
  trainer::DataSource source{.type = "image_folder", .path = folder.path.string()};
  source.split.patient_before = "_";
  CHECK(item_named(list(source).value(), "x/p1_b.npy").patient == "p1");
  source.split = {};
  source.split.patient_folder = true;
  CHECK(item_named(list(source).value(), "y/p2_a.npy").patient == "y");
}

TEST_CASE("a DICOM series is sorted by position, labelled by study, and split by its PatientID") {
  const Folder folder;
  fs::create_directories(folder.path / "s");
  spill(folder.path / "s" / "1", "P1 study1 series1 i1 30 2 2");
  spill(folder.path / "s" / "2", "P1 study1 series1 i2 10 2 2");
  spill(folder.path / "s" / "3", "P1 study1 series1 i3 20 2 2");
  spill(folder.path / "4", "P2 study2 series2 i4 0 2 2");
  spill(folder.path / "broken", "?");
  spill(folder.path / "labels.csv", "study,class\nstudy1,1\nstudy2,0\n");
  trainer::DataSource source{.type = "dicom", .path = folder.path.string()};
  source.labels.table = "labels.csv";
  source.labels.key = "study";
  source.labels.match = trainer::LabelSource::Match::kStudy;
  source.labels.class_column = "class";
  const Collection collection = list(source, std::make_shared<LineDecoder>()).value();
  REQUIRE(collection.items.size() == 2);
  const Item& series = collection.items[1];
  CHECK(series.patient == "P1");
  CHECK(class_of(series) == 1);
  REQUIRE(series.files.size() == 3);
  CHECK(series.files[0].filename() == "2");
  CHECK(series.files[2].filename() == "1");
  const DecodedImage volume = collection.images->image(series, {}).value();
  CHECK(volume.shape == std::vector<std::int64_t>{1, 3, 2, 2});
  CHECK(std::get<std::vector<std::int16_t>>(volume.pixels) ==
        std::vector<std::int16_t>{10, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 30});
  CHECK(volume.spacing[0] == 10.0);
  REQUIRE(collection.left_out.size() == 1);
  CHECK(collection.left_out[0].id == "broken");
  CHECK_FALSE(collection.left_out[0].unlabelled);
}

TEST_CASE("DICOM files are items of their own where labels name images, and a series without order isn't a volume") {
  const Folder folder;
  spill(folder.path / "1", "P1 study1 series1 i1 5 2 2");
  spill(folder.path / "2", "P1 study1 series1 i2 5 2 2");
  spill(folder.path / "labels.csv", "image,class\ni1,1\ni2,0\n");
  trainer::DataSource source{.type = "dicom", .path = folder.path.string()};
  source.labels.table = "labels.csv";
  source.labels.key = "image";
  source.labels.match = trainer::LabelSource::Match::kImage;
  source.labels.class_column = "class";
  CHECK(list(source, std::make_shared<LineDecoder>()).value().items.size() == 2);
  spill(folder.path / "labels.csv", "image,class\nseries1,1\n");
  source.labels.match = trainer::LabelSource::Match::kSeries;
  check_refusal(list(source, std::make_shared<LineDecoder>()),
                {"the 2 files of its series don't each have a different position"});
}

TEST_CASE("every type of data set has its reader, and every reader its type") {
  REQUIRE(readers().size() == trainer::data_types().size());
  for (const trainer::DataType& type : trainer::data_types()) {
    const auto reader = reader_of({.type = std::string(type.name), .path = "x"});
    REQUIRE(reader);
    CHECK(((*reader)->arrays != nullptr) == type.arrays);
  }
  check_refusal(list({.type = "parquet", .path = "/x"}),
                {"/x: expected type npz, idx, image_folder, table, dicom or nifti, found 'parquet'"});
}

}  // namespace
}  // namespace consilium::data::testing
