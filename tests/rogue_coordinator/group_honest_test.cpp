// Mode `masked`: an honest coordinator completes a whole job with the real client. This shows that the played sites
// behave as real ones would, and that the other tests' refusals are due to their lies.
#include <filesystem>

#include "common/encoding/fixed_point.h"
#include "tests/catch.h"
#include "tests/rogue_coordinator/group_stage.h"

namespace consilium::rogue {
namespace {

std::ptrdiff_t sealed_files(Stage& stage) {
  std::ptrdiff_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(stage.folder() / "state/sums"))
    count += entry.path().extension() == ".sealed" ? 1 : 0;
  return count;
}

TEST_CASE("an honest coordinator gets a whole group's sums, and north signs what follows from them") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  for (std::uint32_t round = 1; round <= 2; ++round) {
    const GroupSum sum = job.run(SumKind::kTrain, round).front();
    const job::RoundOrder order = job.order(job.key(SumKind::kTrain, round), 0);
    const Words hidden = GroupAttempt::hidden(job, order, sum);
    CHECK(count_in(hidden, order, encoding::kExamples) == kBound);
    CHECK(count_in(hidden, order, encoding::kUnusable) == 0);
    // Nothing of the earlier sums, evaluations included, remains on the disk.
    CHECK(sealed_files(stage) == 0);
    job.sums(SumKind::kEvaluate, round);
    CHECK(sealed_files(stage) == 1);
  }
  check_quiet(stage);
}

TEST_CASE("an honest coordinator gets the sums of two groups, each over itself") {
  Stage stage(two_groups());
  GroupJob job(stage, stage.job());
  job.begin();
  CHECK(job.run(SumKind::kTrain, 1).size() == 2);
  check_quiet(stage);
}

}  // namespace
}  // namespace consilium::rogue
