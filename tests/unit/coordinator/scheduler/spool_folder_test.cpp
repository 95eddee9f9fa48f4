#include "coordinator/service/spool_folder.h"

#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

using namespace consilium;
using namespace consilium::service;

namespace {

void write(const std::filesystem::path& file) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << "half a vector";
}

}  // namespace

TEST_CASE("each session of each job and site has a spool file of its own, in its site's folder") {
  const job::SessionKey key{"chest-1", job::SumKind::kTrain, 3, 1};
  const auto file = spool_path("/spool", "north", key);
  CHECK(file.parent_path() == "/spool/north");
  for (const job::SessionKey& other :
       {job::SessionKey{"chest-2", job::SumKind::kTrain, 3, 1},
        job::SessionKey{"chest-1", job::SumKind::kEvaluate, 3, 1},
        job::SessionKey{"chest-1", job::SumKind::kTrain, 4, 1}, job::SessionKey{"chest-1", job::SumKind::kTrain, 3, 2},
        job::SessionKey{"../../chest-1", job::SumKind::kTrain, 3, 1}}) {
    CHECK(spool_path("/spool", "north", other) != file);
    CHECK(spool_path("/spool", "north", other).lexically_normal().parent_path() == "/spool/north");
  }
}

TEST_CASE("what was sent for a job that has ended goes, and that of others stays") {
  const pki::TemporaryFolder spool;
  const auto one = spool_path(spool.path(), "north", {"chest-1", job::SumKind::kTrain, 3, 1});
  const auto two = spool_path(spool.path(), "south", {"chest-1", job::SumKind::kEvaluate, 2, 1});
  const auto other = spool_path(spool.path(), "north", {"chest-10", job::SumKind::kTrain, 3, 1});
  for (const auto& file : {one, two, other, weights_spool_path(spool.path(), "ada")}) write(file);
  remove_spools_of(spool.path(), "chest-1");
  CHECK_FALSE(std::filesystem::exists(one));
  CHECK_FALSE(std::filesystem::exists(two));
  CHECK(std::filesystem::exists(other));
  CHECK(std::filesystem::exists(weights_spool_path(spool.path(), "ada")));
}

TEST_CASE("a spool is empty when the coordinator starts") {
  const pki::TemporaryFolder folder;
  const auto spool = folder / "spool";
  write(spool_path(spool, "north", {"chest-1", job::SumKind::kTrain, 3, 1}));
  write(weights_spool_path(spool, "ada"));
  REQUIRE(clear_spool(spool));
  CHECK(std::filesystem::is_directory(spool));
  CHECK(std::filesystem::is_empty(spool));
}
