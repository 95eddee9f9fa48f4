#include "cli/wait_for_sites.h"

#include "tests/catch.h"

using namespace consilium;
using cli::missing_sites;
using cli::read_wanted_sites;

namespace {

job::JobSpec job_of(std::vector<std::string> sites) {
  job::JobSpec spec;
  spec.data.dataset = "chest";
  spec.federation.sites = std::move(sites);
  return spec;
}

report::SiteStatus ready_site(const std::string& name) { return {name, true, "consilium-client", {"chest"}, "idle"}; }

}  // namespace

TEST_CASE("the option --wait-for takes names of the job's sites, or how many") {
  const auto job = job_of({"north", "south", "west"});
  const auto named = read_wanted_sites("south,north,south", job).value();
  CHECK(named.names == std::vector<std::string>{"north", "south"});
  CHECK(named.count == 2);
  CHECK(read_wanted_sites("3", job).value().names == job.federation.sites);
  CHECK(read_wanted_sites("5", job_of({})).value().count == 5);
  for (const char* wrong : {"4", "0", "east", "north,", ",", "-1", "north,east"}) {
    CHECK(read_wanted_sites(wrong, job).error().code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("each site that is waited for is named with what it lacks") {
  const auto wanted = read_wanted_sites("north,south,west", job_of({})).value();
  auto busy = ready_site("north");
  busy.activity = "chest-1: training";
  auto other = ready_site("south");
  other.datasets = {"skin"};
  CHECK(missing_sites(wanted, {busy, other}) ==
        "0 of 3 ready; north is busy (chest-1: training), south has no data set 'chest', west isn't connected");
  auto gone = ready_site("west");
  gone.connected = false;
  CHECK(missing_sites(wanted, {ready_site("north"), ready_site("south"), gone}) ==
        "2 of 3 ready; west isn't connected");
  CHECK(missing_sites(wanted, {ready_site("north"), ready_site("south"), ready_site("west")}).empty());
}

TEST_CASE("with a number any of the job's sites count, and no others") {
  const auto any = read_wanted_sites("2", job_of({})).value();
  CHECK(missing_sites(any, {ready_site("east")}) == "1 of 2 ready");
  CHECK(missing_sites(any, {ready_site("east"), ready_site("north")}).empty());
  const auto listed = read_wanted_sites("1", job_of({"north", "south"})).value();
  CHECK(missing_sites(listed, {ready_site("east")}) == "0 of 1 ready; north isn't connected, south isn't connected");
  CHECK(missing_sites(listed, {ready_site("east"), ready_site("south")}).empty());
}
