#include "common/files/watched_file.h"

#include <fstream>

#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::files {

TEST_CASE("a file is seen to change once, however it changes") {
  const pki::TemporaryFolder folder;
  const auto file = folder / "policy.yaml";
  pki::write_text(file, "a");
  WatchedFile watched(file);
  CHECK_FALSE(watched.changed());
  SECTION("written") { pki::write_text(file, "ab"); }
  SECTION("replaced by one of the same size") {
    pki::write_text(folder / "new", "b");
    std::filesystem::rename(folder / "new", file);
  }
  SECTION("removed") { std::filesystem::remove(file); }
  CHECK(watched.changed());
  CHECK_FALSE(watched.changed());
}

TEST_CASE("a file that appears has changed, and no file never does") {
  const pki::TemporaryFolder folder;
  WatchedFile absent(folder / "roster.yaml");
  CHECK_FALSE(absent.changed());
  pki::write_text(folder / "roster.yaml", "x");
  CHECK(absent.changed());
  WatchedFile none{std::filesystem::path()};
  CHECK_FALSE(none.changed());
}

}  // namespace consilium::files
