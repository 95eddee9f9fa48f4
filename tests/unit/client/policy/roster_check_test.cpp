#include "client/policy/roster_check.h"

#include <unistd.h>

#include <fstream>

#include "client/policy/policy.h"
#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "tests/catch.h"

namespace consilium::policy {
namespace {

using Catch::Contains;

constexpr const char* kJob =
    "{name: chest, model: {name: fedavg_cnn, input: [1, 28, 28], classes: 2}, data: {dataset: chest}, "
    "training: {optimizer: {name: sgd, learning_rate: 0.1}}, federation: {rounds: 2}}";
const std::vector<std::string> kSites{"east", "north", "south", "west"};
const crypto::Digest kNorth = job::simulated_roster({"north"}).at("north");

/// Returns a masked job of kSites, each with an invented key.
job::JobSpec roster_job() {
  const auto job = job::parse_job(kJob, "job.yaml");
  REQUIRE(job);
  return job::with_roster(*job, job::simulated_roster(kSites)).value();
}

roster::Roster own_roster() {
  return {.consortium = "lung", .sites = job::simulated_roster({"centre", "east", "north", "south", "west"})};
}

std::string refusal(const job::JobSpec& job, const roster::Roster& own, const crypto::Digest& key = kNorth) {
  const auto checked = check_roster(job, own, "north", key);
  REQUIRE_FALSE(checked);
  return checked.error().message;
}

TEST_CASE("a masked job passes where every site of it is in the site's own roster") {
  CHECK(check_roster(roster_job(), own_roster(), "north", kNorth));
}

TEST_CASE("without a roster file a site takes part in no masked job, and in others as its policy says") {
  CHECK_THAT(refusal(roster_job(), {}), Contains("client.yaml: roster: ") && Contains("takes part in no job"));
  job::JobSpec plain;
  plain.privacy.secure_aggregation = job::SecureAggregation::kOff;
  CHECK(check_roster(plain, {}, "north", kNorth));
}

TEST_CASE("a masked job without a roster is declined with the command that fills it in") {
  job::JobSpec job = roster_job();
  job.federation.roster.clear();
  const auto checked = check_roster(job, own_roster(), "north", kNorth);
  REQUIRE_FALSE(checked);
  CHECK(checked.error().code == ErrorCode::kFailedPrecondition);
  CHECK_THAT(checked.error().message, Contains("consilium submit --roster FILE"));
}

TEST_CASE("a job of numbers that a coordinator made too small is declined") {
  job::JobSpec job = roster_job();
  job.federation.quorum = 0.25;
  CHECK_THAT(refusal(job, own_roster()), Contains("federation.quorum"));
}

TEST_CASE("a minted hospital, which the site's own roster doesn't have, is refused by name") {
  roster::Roster own = own_roster();
  own.sites.erase("west");
  CHECK_THAT(refusal(roster_job(), own), Contains("site 'west' isn't in this site's roster file"));
}

TEST_CASE("a second key for a known hospital is refused with both keys") {
  job::JobSpec job = roster_job();
  job.federation.roster["west"] = crypto::sha256("minted");
  CHECK_THAT(refusal(job, own_roster()),
             Contains("site 'west' has the key " + crypto::to_hex(crypto::sha256("minted")) + " in the job and " +
                      crypto::to_hex(own_roster().sites.at("west"))));
}

TEST_CASE("a job must name this site, with this site's own key") {
  const auto absent = check_roster(roster_job(), own_roster(), "centre", own_roster().sites.at("centre"));
  REQUIRE_FALSE(absent);
  CHECK(absent.error().code == ErrorCode::kPermissionDenied);
  CHECK_THAT(absent.error().message, Contains("the job doesn't list this site ('centre')"));
  CHECK_THAT(refusal(roster_job(), own_roster(), crypto::sha256("another")),
             Contains("the job gives this site the key " + crypto::to_hex(kNorth)));
}

TEST_CASE("a job of strangers names the first of them and says how many there are") {
  CHECK_THAT(refusal(roster_job(), {.consortium = "lung", .sites = job::simulated_roster({"a"})}),
             Contains("'east'") && Contains("'south'") && !Contains("'west'") && Contains("and 1 more"));
}

TEST_CASE("a job that the policy accepts by its digest is held to the roster all the same") {
  job::JobSpec job = roster_job();
  job.federation.roster["west"] = crypto::sha256("minted");
  const auto policy = parse_policy("accept_digests: [" + crypto::to_hex(job::job_digest(job)) + "]\n", "policy.yaml");
  REQUIRE(policy);
  CHECK(policy->judge(job, job::job_digest(job), "anyone").refusals.empty());
  CHECK_FALSE(check_roster(job, own_roster(), "north", kNorth));
}

TEST_CASE("a site's roster file is read with its configuration, and must be its consortium's") {
  const auto file =
      std::filesystem::temp_directory_path() / ("consilium-roster-" + std::to_string(::getpid()) + ".yaml");
  CHECK(read_own_roster({}, "lung")->sites.empty());
  CHECK_THAT(read_own_roster(file, "lung").error().message,
             Contains("client.yaml: roster: ") && Contains(file.filename().string()));
  std::ofstream(file) << "consortium: lung\nsites: [{name: north, fingerprint: " << crypto::to_hex(kNorth) << "}]\n";
  CHECK(read_own_roster(file, "lung")->sites.at("north") == kNorth);
  CHECK_THAT(read_own_roster(file, "heart").error().message,
             Contains("expected 'heart', that of this site's certificate, found 'lung'"));
  std::filesystem::remove(file);
}

/// A roster with one population of five sites, and the job that follows from it.
roster::Roster population_roster() {
  roster::Roster roster = own_roster();
  roster.populations.push_back(
      {"chest", {"chest"}, roster::Mode::kMasked, 100, {{"east", "north", "south"}}, {{"east", "north", "south"}}});
  return roster;
}

job::JobSpec population_job(const job::PopulationTerms& terms, std::uint32_t colluding = 1) {
  auto job = job::parse_job(kJob, "job.yaml").value();
  job.federation.sites.clear();
  job.strategy.weighting = job::Weighting::kCohort;
  auto complete = job::with_population(std::move(job), own_roster().sites, colluding, terms);
  INFO((complete ? std::string() : complete.error().message));
  REQUIRE(complete.has_value());
  return *std::move(complete);
}

job::PopulationTerms terms_of(const roster::Roster& roster) {
  const roster::Population& population = roster.populations.front();
  return {population.name, population.examples, population.groups, roster::history_digest(population)};
}

TEST_CASE("a job in mode masked is summed as this site's own roster says, and in no other way") {
  const roster::Roster own = population_roster();
  const job::PopulationTerms good = terms_of(own);
  CHECK(check_roster(population_job(good), own, "north", kNorth));
  job::PopulationTerms terms = good;
  terms.examples = 101;
  CHECK_THAT(refusal(population_job(terms), own), Catch::Contains("the bound of examples is 101 in the job, and 100"));
  terms = good;
  terms.groups = {{"centre", "north", "west"}};
  CHECK_THAT(refusal(population_job(terms), own), Catch::Contains("its groups or their history differ"));
  terms = good;
  terms.history = crypto::sha256("another history");
  CHECK_THAT(refusal(population_job(terms), own), Catch::Contains("its groups or their history differ"));
  terms = good;
  terms.name = "lungs";
  CHECK_THAT(refusal(population_job(terms), own), Catch::Contains("the job names 'lungs', the roster 'chest'"));
}

TEST_CASE("a job's bound of examples is the roster's, or that of the roster under which this site accepted it") {
  roster::Roster own = population_roster();
  job::PopulationTerms terms = terms_of(own);
  terms.examples = 99;
  CHECK_THAT(refusal(population_job(terms), own),
             Catch::Contains("the bound of examples is 99 in the job, and 100 in the roster"));
  const job::JobSpec running = population_job(terms_of(own));
  own.populations.front().examples = 120;
  CHECK_FALSE(check_roster(running, own, "north", kNorth));
  CHECK(check_roster(running, own, "north", kNorth, true));
  terms.examples = 121;
  CHECK_FALSE(check_roster(population_job(terms), own, "north", kNorth, true));
}

TEST_CASE("a job that reckons with fewer colluding sites than the roster is declined") {
  roster::Roster own = population_roster();
  own.colluding = 2;
  CHECK_THAT(refusal(population_job(terms_of(own)), own),
             Catch::Contains("the job allows for 1 colluding sites, the roster for 2"));
}

TEST_CASE("a job goes on when the roster adds a group, and none begins over a group that isn't in its history") {
  roster::Roster own = population_roster();
  const job::JobSpec running = population_job(terms_of(own));
  const roster::Group added{"centre", "west", "zoo"};
  own.populations.front().groups.push_back(added);
  own.populations.front().history.push_back(added);
  CHECK(check_roster(running, own, "north", kNorth));
}

TEST_CASE("a data set whose population is summed in one mode is summed in no other") {
  const roster::Roster own = population_roster();
  CHECK_THAT(refusal(roster_job(), own),
             Catch::Contains("the job's mode is masked-threshold") && Catch::Contains("allows only masked"));
  CHECK_FALSE(check_roster(job::without_masks(roster_job()), own, "north", kNorth));
  roster::Roster other = own;
  other.populations.front().datasets = {"skin"};
  CHECK_THAT(refusal(population_job(terms_of(own)), other),
             Catch::Contains("no population in this site's roster file has the data set 'chest'"));
}

}  // namespace
}  // namespace consilium::policy
