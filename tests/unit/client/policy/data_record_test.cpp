#include "client/policy/data_record.h"

#include <unistd.h>

#include <optional>

#include "client/policy/data_place.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::policy {
namespace {

namespace fs = std::filesystem;
using Catch::Contains;

/// A machine with data, and a record that is reopened for every claim.
struct Machine {
  pki::TemporaryFolder folder;
  roster::Roster roster;

  Machine() {
    roster.consortium = "lung";
    roster.serial = 1;
    roster.populations = {{.name = "heart", .datasets = {"heart"}},
                          {.name = "lungs", .datasets = {"chest", "chest-ap"}}};
    fs::create_directories(folder / "srv/chest");
    fs::create_directories(folder / "srv/heart");
    pki::write_text(srv("chest/train-images"), "images");
    pki::write_text(srv("heart/train-images"), "other images");
    pki::write_text(srv("one.npz"), "one");
    pki::write_text(srv("two.npz"), "two");
  }
  [[nodiscard]] fs::path srv(const std::string& name) const { return folder / ("srv/" + name); }
  [[nodiscard]] Result<void> claim(const DataPaths& datasets) const {
    auto record = DataRecord::open(folder / "state");
    REQUIRE(record.has_value());
    return record->claim(datasets, roster);
  }
  [[nodiscard]] std::string refusal(const DataPaths& datasets) const {
    const auto claimed = claim(datasets);
    REQUIRE_FALSE(claimed);
    CHECK(claimed.error().code == ErrorCode::kFailedPrecondition);
    return claimed.error().message;
  }
};

TEST_CASE("data of two populations may lie side by side, and names of one population may share data") {
  const Machine machine;
  CHECK(machine.claim({{"chest", machine.srv("chest")}, {"heart", machine.srv("heart")}}));
  CHECK(machine.claim({{"chest", machine.srv("chest")}, {"chest-ap", machine.srv("chest")}}));
  CHECK(machine.claim({{"chest", machine.srv("one.npz")}, {"heart", machine.srv("two.npz")}}));
  fs::create_directories(machine.srv("chest2"));  // a neighbour whose name only begins with the same letters
  CHECK(machine.claim({{"chest", machine.srv("chest")}, {"heart", machine.srv("chest2")}}));
}

TEST_CASE("a check holds data sets to the same as a claim and records nothing") {
  const Machine machine;
  const auto check = [&](const DataPaths& datasets) {
    return DataRecord::check(machine.folder / "state", datasets, machine.roster);
  };
  CHECK(check({{"chest", machine.srv("one.npz")}, {"heart", machine.srv("two.npz")}}) == true);
  CHECK_FALSE(fs::exists(machine.folder / "state"));
  CHECK_THAT(check({{"chest", machine.srv("chest")}, {"heart", machine.srv("chest")}}).error().message,
             Contains("overlap"));
  REQUIRE(machine.claim({{"chest", machine.srv("one.npz")}}));
  CHECK_THAT(check({{"heart", machine.srv("one.npz")}}).error().message,
             Contains("belongs permanently to the population 'lungs'"));
  CHECK(check({{"heart", machine.srv("two.npz")}}) == true);
  CHECK(machine.claim({{"chest", machine.srv("two.npz")}}));  // the check didn't assign it to the other population
  CHECK_THAT(check({{"heart", machine.srv("two.npz")}}).error().message, Contains("permanently"));
  const auto running = DataRecord::open(machine.folder / "state");
  REQUIRE(running);
  CHECK(check({{"heart", machine.srv("heart")}}) == false);
}

TEST_CASE("a path of one population that is another's, or inside of it, is refused, whatever links lead there") {
  const Machine machine;
  fs::create_directory_symlink(machine.srv("chest"), machine.srv("link"));
  fs::create_directories(machine.srv("chest/inner/most"));
  for (const std::string path : {"chest", "link", "chest/inner/most", "link/../chest/inner", ""}) {
    INFO(path);
    const std::string message = machine.refusal({{"chest", machine.srv("chest")}, {"heart", machine.srv(path)}});
    CHECK_THAT(message, Contains("client.yaml: datasets.heart.path: ") && Contains("overlap") &&
                            Contains("'chest' to 'lungs'") && Contains("have one population of the roster list both"));
  }
  CHECK_THAT(machine.refusal({{"chest", machine.srv("one.npz")}, {"heart", machine.srv("")}}), Contains("overlap"));
}

TEST_CASE("a file that two populations share under two names is refused") {
  const Machine machine;
  fs::create_hard_link(machine.srv("one.npz"), machine.srv("three.npz"));
  CHECK_THAT(machine.refusal({{"chest", machine.srv("one.npz")}, {"heart", machine.srv("three.npz")}}),
             Contains("is the same file or folder as"));
  fs::create_hard_link(machine.srv("chest/train-images"), machine.srv("heart/val-images"));
  CHECK_THAT(machine.refusal({{"chest", machine.srv("chest")}, {"heart", machine.srv("heart")}}),
             Contains("heart/val-images") && Contains("chest/train-images"));
  fs::remove(machine.srv("heart/val-images"));
  fs::create_symlink(machine.srv("one.npz"), machine.srv("heart/val-images"));
  CHECK_THAT(machine.refusal({{"chest", machine.srv("one.npz")}, {"heart", machine.srv("heart")}}),
             Contains("is the same file or folder as"));
}

TEST_CASE("a file deep in the folders of two populations is refused, and so is a folder that both lead to") {
  const Machine machine;
  fs::create_directories(machine.srv("chest/P1/study"));
  fs::create_directories(machine.srv("heart/a/b/c"));
  pki::write_text(machine.srv("chest/P1/study/1.dcm"), "image");
  fs::create_hard_link(machine.srv("chest/P1/study/1.dcm"), machine.srv("heart/a/b/c/2.dcm"));
  const DataPaths both{{"chest", machine.srv("chest")}, {"heart", machine.srv("heart")}};
  CHECK_THAT(machine.refusal(both), Contains("client.yaml: datasets.heart.path: ") && Contains("heart/a/b/c/2.dcm") &&
                                        Contains("chest/P1/study/1.dcm (datasets.chest)"));
  fs::remove(machine.srv("heart/a/b/c/2.dcm"));
  CHECK(machine.claim(both));
  for (const std::string target : {"chest/P1", "chest/P1/study/1.dcm", "link"}) {
    fs::create_directory_symlink(machine.srv("chest/P1/study"), machine.srv("link"));
    fs::create_symlink(machine.srv(target), machine.srv("heart/a/b/x"));
    CHECK_THAT(machine.refusal(both), Contains("heart/a/b/x is the same file or folder as"));
    fs::remove(machine.srv("heart/a/b/x"));
    fs::remove(machine.srv("link"));
  }
}

TEST_CASE("one record notices what changes under it between two claims") {
  const Machine machine;
  auto record = DataRecord::open(machine.folder / "state");
  const DataPaths both{{"chest", machine.srv("chest")}, {"heart", machine.srv("heart")}};
  REQUIRE(record->claim(both, machine.roster));
  REQUIRE(record->claim(both, machine.roster));
  fs::create_directories(machine.srv("heart/new"));
  fs::create_hard_link(machine.srv("chest/train-images"), machine.srv("heart/new/1"));
  CHECK_FALSE(record->claim(both, machine.roster, "chest"));
  fs::remove(machine.srv("heart/new/1"));
  CHECK(record->claim(both, machine.roster, "chest"));
}

TEST_CASE("a name keeps its population for good") {
  Machine machine;
  REQUIRE(machine.claim({{"heart", machine.srv("heart")}}));
  machine.roster.populations = {{.name = "lungs", .datasets = {"chest", "heart"}}};
  CHECK_THAT(machine.refusal({{"heart", machine.srv("one.npz")}}),
             Contains("the name belongs permanently to the population 'heart'") && Contains("list it under 'heart'"));
}

TEST_CASE("a path keeps its population for good, and with it what lies inside") {
  const Machine machine;
  REQUIRE(machine.claim({{"chest", machine.srv("chest")}}));
  REQUIRE(machine.claim({{"chest", machine.srv("one.npz")}}));
  // Another folder in its place, so that only the path is the same.
  fs::rename(machine.srv("chest"), machine.srv("old"));
  fs::create_directories(machine.srv("chest/inner"));
  for (const std::string path : {"chest", "chest/inner"})
    CHECK_THAT(machine.refusal({{"heart", machine.srv(path)}}),
               Contains("belongs permanently to the population 'lungs'"));
  CHECK(machine.claim({{"chest-ap", machine.srv("chest")}}));
}

TEST_CASE(
    "a folder or file that was moved elsewhere keeps its population, where the file system says when it was made") {
  const Machine machine;
  if (data_place(machine.srv("chest"))->marks.front().born == 0) return;
  REQUIRE(machine.claim({{"chest", machine.srv("chest")}}));
  REQUIRE(machine.claim({{"chest", machine.srv("one.npz")}}));
  fs::rename(machine.srv("chest"), machine.srv("moved"));
  CHECK_THAT(machine.refusal({{"heart", machine.srv("moved")}}), Contains("permanently"));
  fs::create_directories(machine.srv("fresh"));
  fs::rename(machine.srv("one.npz"), machine.srv("fresh/two.npz"));
  CHECK_THAT(machine.refusal({{"heart", machine.srv("fresh")}}),
             Contains("fresh/two.npz belongs permanently to the population"));
  fs::create_directories(machine.srv("moved/P1/study"));
  pki::write_text(machine.srv("moved/P1/study/1.dcm"), "image");
  REQUIRE(machine.claim({{"chest", machine.srv("moved")}}));
  fs::create_directories(machine.srv("cases/a"));
  fs::rename(machine.srv("moved/P1/study/1.dcm"), machine.srv("cases/a/7.dcm"));
  CHECK_THAT(machine.refusal({{"heart", machine.srv("cases")}}),
             Contains("cases/a/7.dcm belongs permanently to the population"));
}

TEST_CASE("what is refused leaves no record, and what no population has isn't looked at") {
  const Machine machine;
  REQUIRE_FALSE(machine.claim({{"chest", machine.srv("chest")}, {"heart", machine.srv("chest")}}));
  CHECK(machine.claim({{"heart", machine.srv("chest")}}));
  CHECK(machine.claim({{"unlisted", machine.srv("chest")}, {"lost", machine.srv("nowhere")}}));
}

TEST_CASE("data that are missing, or a folder with too many entries to compare, are refused by name") {
  const Machine machine;
  const auto missing = machine.claim({{"heart", machine.srv("nowhere")}});
  REQUIRE_FALSE(missing);
  CHECK_THAT(missing.error().message, Contains("datasets.heart.path") && Contains("nowhere"));
  // A job on other data continues meanwhile, but one on these data doesn't.
  const DataPaths both{{"heart", machine.srv("nowhere")}, {"chest", machine.srv("chest")}};
  CHECK(DataRecord::open(machine.folder / "state")->claim(both, machine.roster, "chest"));
  CHECK_FALSE(DataRecord::open(machine.folder / "state")->claim(both, machine.roster, "heart"));
  fs::create_directories(machine.srv("many/more"));
  for (const std::string name : {"many/1", "many/more/2", "many/more/3"}) pki::write_text(machine.srv(name), "");
  CHECK(data_place(machine.srv("many"), 5)->marks.size() == 5);  // itself, a folder and three files
  const auto many = data_place(machine.srv("many"), 4);
  REQUIRE_FALSE(many);
  CHECK(many.error().code == ErrorCode::kResourceExhausted);
  CHECK_THAT(many.error().message, Contains("more than 4 files and folders"));
}

TEST_CASE("a damaged record is refused with what to do") {
  const Machine machine;
  REQUIRE(machine.claim({{"heart", machine.srv("heart")}}));
  REQUIRE(::truncate((machine.folder / "state/datasets.db").c_str(), 0) == 0);
  const auto opened = DataRecord::open(machine.folder / "state");
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ErrorCode::kDataLoss);
  CHECK_THAT(opened.error().message, Contains("docs/hospital-it/data.md"));
}

}  // namespace
}  // namespace consilium::policy
