// Mode `masked`: an honest coordinator gets through a whole job with the real client, which shows that the played sites
// do as real ones would, and that what the other tests refuse is refused for their lies.
#include <catch2/catch.hpp>

#include "common/encoding/fixed_point.h"
#include "tests/rogue_coordinator/group_stage.h"

namespace consilium::rogue {
namespace {

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
    job.sums(SumKind::kEvaluate, round);
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
