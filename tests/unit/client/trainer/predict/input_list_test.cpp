#include "client/trainer/predict/input_list.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/unit/client/trainer/data/item_files.h"

namespace consilium::predict {
namespace {

using data::testing::Folder;
using data::testing::LineDecoder;
using data::testing::spill;

/// Writes "patient study series image position width height" files, which LineDecoder reads as DICOM.
void write_slice(const std::filesystem::path& file, const std::string& series, int position, int width = 4) {
  std::filesystem::create_directories(file.parent_path());
  spill(file, "p st " + series + " i" + std::to_string(position) + " " + std::to_string(position) + " " +
                  std::to_string(width) + " 4");
}

std::vector<std::string> names_of(const InputList& list) {
  std::vector<std::string> names;
  for (const data::Item& item : list.items) names.push_back(item.id);
  return names;
}

const data::FileImages kImages{std::make_shared<LineDecoder>()};

}  // namespace

TEST_CASE("a folder is walked in order; hidden files, other files and links to folders are left out") {
  const Folder folder, outside;
  write_slice(folder.path / "b" / "scan.dcm", "s", 1);
  write_slice(folder.path / "a" / "1.2.840.99", "s", 2);
  write_slice(folder.path / "a" / "IM0001", "s", 3);
  spill(folder.path / "x.PNG", "");
  spill(folder.path / "labels.csv", "file\n");
  spill(folder.path / "DICOMDIR", "");
  spill(folder.path / ".hidden.png", "");
  spill(outside.path / "secret.png", "");
  std::filesystem::create_symlink(outside.path / "secret.png", folder.path / "link.png");
  std::filesystem::create_directory_symlink(outside.path, folder.path / "linked");
  const InputList list = list_inputs(folder.path, false, kImages).value();
  CHECK(names_of(list) == std::vector<std::string>{"a/1.2.840.99", "a/IM0001", "b/scan.dcm", "link.png", "x.PNG"});
  REQUIRE(list.skipped.size() == 2);
  CHECK(list.skipped[0].id == "DICOMDIR");
  CHECK(list.damaged.empty());
}

TEST_CASE("the files of a series are one volume, in the order of their positions") {
  const Folder folder;
  write_slice(folder.path / "ct" / "1.dcm", "one", 30);
  write_slice(folder.path / "ct" / "2.dcm", "one", 10);
  write_slice(folder.path / "ct" / "3.dcm", "one", 20);
  write_slice(folder.path / "ct" / "4.dcm", "one", 25, 8);  // another size, so it isn't a slice of that volume
  write_slice(folder.path / "ct" / "5.dcm", "two", 5);
  spill(folder.path / "ct" / "6.dcm", "broken");
  spill(folder.path / "volume.nii.gz", "");
  const InputList list = list_inputs(folder.path, true, kImages).value();
  CHECK(names_of(list) == std::vector<std::string>{"ct/2.dcm", "ct/4.dcm", "ct/5.dcm", "volume.nii.gz"});
  const auto folder_of = std::filesystem::canonical(folder.path) / "ct";
  CHECK(list.items[0].files ==
        std::vector<std::filesystem::path>{folder_of / "2.dcm", folder_of / "3.dcm", folder_of / "1.dcm"});
  REQUIRE(list.damaged.size() == 1);
  CHECK(list.damaged[0].id == "ct/6.dcm");
}

TEST_CASE("files of a series that can't be sorted are images by themselves") {
  const Folder folder;
  write_slice(folder.path / "1.dcm", "cine", 7);
  write_slice(folder.path / "2.dcm", "cine", 7);
  CHECK(names_of(list_inputs(folder.path, true, kImages).value()) == std::vector<std::string>{"1.dcm", "2.dcm"});
}

TEST_CASE("one file is taken whatever its name, and nothing is refused by words") {
  const Folder folder;
  spill(folder.path / "scan.weird", "p st s i 1 4 4");
  CHECK(names_of(list_inputs(folder.path / "scan.weird", true, kImages).value()) ==
        std::vector<std::string>{"scan.weird"});
  const auto none = list_inputs(folder.path, false, kImages);
  REQUIRE_FALSE(none);
  CHECK_THAT(none.error().message, Catch::Contains("holds no image") && Catch::Contains("found 1 other file"));
  const auto missing = list_inputs(folder.path / "nothing", false, kImages);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
}

}  // namespace consilium::predict
