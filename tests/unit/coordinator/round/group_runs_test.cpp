#include "coordinator/round/group_runs.h"

#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "tests/catch.h"

using namespace consilium;
using namespace consilium::round;

namespace {

const std::vector<std::vector<std::string>> kGroups = {{"a1", "a2", "a3"}, {"b1", "b2", "b3"}, {"c1", "c2", "c3"}};

job::JobSpec spec_with_quorum(const std::string& quorum) {
  std::vector<std::string> sites;
  for (const auto& group : kGroups) sites.insert(sites.end(), group.begin(), group.end());
  const auto parsed = job::parse_job(
      "name: tiny\n"
      "model: {layers: [{linear: 2}], input: [3], classes: 2}\n"
      "data: {dataset: chest}\n"
      "training: {local_epochs: 1, batch_size: 10, optimizer: {name: sgd, learning_rate: 0.1}}\n"
      "federation: {rounds: 2, quorum: " +
          quorum + "}\n",
      "job.yaml");
  return job::with_population(parsed.value(), job::simulated_roster(sites), 1, {"chest", 100, kGroups, {}}).value();
}

/// A census of all three groups, without keys.
struct Census {
  job::JobSpec spec;
  GroupRuns runs;
  TimePoint now{};
  GroupRuns::Ready ready = [](const std::string&) { return true; };

  explicit Census(const std::string& quorum)
      : spec(spec_with_quorum(quorum)), runs("tiny-1", spec, job::job_digest(spec), nullptr) {
    const OpenSession action{{"tiny-1", job::SumKind::kCensus, 0, 1}, spec.federation.sites, 0};
    runs.open(action, {}, 0, std::chrono::minutes(1), now);
    runs.advance(ready, now);
  }
};

std::vector<std::string> failed_sites(const GroupRuns::Output& output) {
  std::vector<std::string> sites;
  for (const Event& event : output.events) {
    if (const auto* failed = std::get_if<Failed>(&event)) sites.push_back(failed->site);
  }
  return sites;
}

std::string fault(const GroupRuns::Output& output) {
  for (const Event& event : output.events) {
    if (const auto* found = std::get_if<Fault>(&event)) return found->reason;
  }
  return "";
}

}  // namespace

TEST_CASE("a site that declines takes its group out of the job, which goes on with the others") {
  Census census("0.5");
  const auto output = census.runs.declined("b2", "max_rounds", census.now);
  CHECK(failed_sites(output) == kGroups[1]);
  CHECK(fault(output).empty());
  CHECK_FALSE(census.runs.attempt_of("b1"));
  CHECK(census.runs.attempt_of("a1"));
  CHECK(census.runs.declined("b3", "max_rounds", census.now).events.empty());  // the group has already been dropped

  SECTION("the next sum is over the others from its beginning") {
    census.runs.drop();
    const OpenSession action{{"tiny-1", job::SumKind::kTrain, 1, 1}, census.spec.federation.sites, 300};
    CHECK(failed_sites(census.runs.open(action, {}, 8, std::chrono::minutes(1), census.now)) == kGroups[1]);
    census.runs.advance(census.ready, census.now);
    CHECK_FALSE(census.runs.attempt_of("b1"));
    CHECK(census.runs.attempt_of("c1"));
  }
  SECTION("where no more than half of the groups are left, nothing could be committed") {
    CHECK(fault(census.runs.declined("c1", "declined", census.now)).starts_with("c1 declined: declined; "));
  }
}

TEST_CASE("a site that declines ends a job whose quorum needs its group") {
  Census census("1.0");
  const std::string why = fault(census.runs.declined("a3", "examples", census.now));
  CHECK(why.starts_with("a3 declined: examples; "));
  CHECK(why.ends_with(
      "ask the consortium's certificate authority for a roster with a higher bound, and submit the job with it"));
}
