#include "common/job/masked_job.h"

#include "common/job/cohort_rules.h"
#include "common/job/job_text.h"
#include "tests/catch.h"
#include "tests/unit/common/job/job_fixtures.h"

namespace consilium::job {
namespace {

using Names = std::vector<std::string>;

const Names kSix{"east", "north", "north-east", "south", "south-west", "west"};

JobSpec parsed_masked(const std::string& text) {
  auto job = parse_job(text, "job.yaml");
  INFO((job ? "" : job.error().message));
  REQUIRE(job);
  return *job;
}

/// Returns a masked job; `federation` and `privacy` are inserted into those sections.
std::string text_of(const std::string& federation, const std::string& privacy = "") {
  return "{name: x, model: {layers: [{linear: 2}], input: [3], classes: 2}, data: {dataset: d}, "
         "training: {optimizer: {name: sgd, learning_rate: 0.1}}, federation: {rounds: 2" +
         federation + "}, privacy: {" + privacy + "}}";
}

/// Returns "roster: {east: ..., ...}" with invented keys.
std::string roster_of(const Names& sites) {
  std::string text;
  for (const auto& [site, key] : simulated_roster(sites))
    text += (text.empty() ? "" : ", ") + site + ": " + crypto::to_hex(key);
  return ", roster: {" + text + "}";
}

std::string refusal(const std::string& text) {
  const auto job = parse_job(text, "job.yaml");
  REQUIRE_FALSE(job);
  return job.error().message;
}

TEST_CASE("a job with a roster states all that follows from it") {
  const JobSpec job = parsed_masked(text_of(roster_of(kSix)));
  CHECK(is_masked(job));
  CHECK(job.federation.roster == simulated_roster(kSix));
  CHECK(job.federation.sites == kSix);
  CHECK(job.privacy.colluding_sites == 2U);
  CHECK(job.federation.minimum_sites == 5);
  CHECK(job.federation.count_groups == std::vector<Names>{kSix});
  CHECK(job.strategy.weighting == Weighting::kPopulation);
  CHECK(check_masked(job));
  const std::string text = canonical_text(job);
  CHECK(text.find(R"("colluding_sites":2)") != std::string::npos);
  CHECK(text.find(R"("count_groups":[["east",)") != std::string::npos);
  CHECK(text.find(R"("minimum_sites":5)") != std::string::npos);
  CHECK(text.find(R"("east":")" + crypto::to_hex(simulated_roster(kSix).at("east"))) != std::string::npos);
  CHECK(parsed_masked(text) == job);
}

TEST_CASE("a masked job without a roster parses, and is refused with the command that fills it in") {
  const JobSpec job = parsed_masked(text_of(""));
  CHECK(job.federation.roster.empty());
  CHECK(job.federation.minimum_sites == 0);
  CHECK_FALSE(job.privacy.colluding_sites);
  CHECK(parsed_masked(canonical_text(job)) == job);
  const auto refused = check_masked(job);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kFailedPrecondition);
  CHECK(refused.error().message.starts_with("federation.roster: job 'x' uses secure aggregation"));
  CHECK(refused.error().message.find("consilium submit --roster FILE") != std::string::npos);
}

TEST_CASE(
    "in mode masked whole groups decide, and a job that asks for a number of sites is refused by the key's name") {
  const auto filled = [](const std::string& federation) {
    return with_population(parsed_masked(text_of(federation)), simulated_roster(kSix), 1, {"d", 10, {kSix}, {}});
  };
  const JobSpec job = filled("").value();
  CHECK(job.federation.minimum_sites == 1);
  CHECK(parsed_masked(canonical_text(job)) == job);  // as submit sends it
  CHECK(filled(", minimum_sites: 1"));
  const auto refused = filled(", minimum_sites: 4");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInvalidArgument);
  CHECK(refused.error().message.starts_with(
      "federation.minimum_sites: found 4; in mode masked every sum is over whole groups"));
  CHECK(refused.error().message.find("leave the key out") != std::string::npos);
}

TEST_CASE("a job without masks needs no roster and has none of their keys") {
  const JobSpec job = parsed_masked(text_of("", "secure_aggregation: off"));
  CHECK(check_masked(job));
  CHECK(job.federation.minimum_sites == 1);
  const std::string text = canonical_text(job);
  for (const char* key : {"roster", "colluding_sites", "count_groups"}) CHECK(text.find(key) == std::string::npos);
  CHECK(refusal(text_of(roster_of(kSix), "secure_aggregation: off")) ==
        "job.yaml: federation.roster: only with privacy.secure_aggregation: required (line 1)");
  CHECK(refusal(text_of(", count_groups: [[a, b, c]]", "secure_aggregation: off")) ==
        "job.yaml: federation.count_groups: only with privacy.secure_aggregation: required (line 1)");
  CHECK(refusal(text_of("", "secure_aggregation: off, colluding_sites: 1")) ==
        "job.yaml: privacy.colluding_sites: only with secure_aggregation: required (line 1)");
  const auto filled = with_roster(job, simulated_roster(kSix));
  REQUIRE_FALSE(filled);
  CHECK(filled.error().message.starts_with("privacy.secure_aggregation: job 'x' says off"));
}

TEST_CASE("a roster fills in the job that is written as one would by hand") {
  const auto filled = with_roster(parsed_masked(text_of("")), simulated_roster(kSix));
  REQUIRE(filled);
  CHECK(*filled == parsed_masked(text_of(roster_of(kSix))));
  CHECK(job_digest(*filled) == job_digest(parsed_masked(text_of(roster_of(kSix)))));
  CHECK(with_roster(*filled, simulated_roster(kSix)) == *filled);
}

TEST_CASE("of a job that lists its sites, a roster gives those alone, in the job's order") {
  const auto filled = with_roster(parsed_masked(text_of(", sites: [west, east, north]")), simulated_roster(kSix));
  REQUIRE(filled);
  CHECK(filled->federation.sites == Names{"west", "east", "north"});
  CHECK(filled->federation.roster == simulated_roster({"west", "east", "north"}));
  CHECK(filled->federation.count_groups == std::vector<Names>{{"east", "north", "west"}});
  const auto missing = with_roster(parsed_masked(text_of(", sites: [west, east, centre]")), simulated_roster(kSix));
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message == "federation.sites: 'centre' isn't in the roster");
  CHECK_FALSE(with_roster(parsed_masked(text_of("")), {}));
}

TEST_CASE("a job's roster and another must agree") {
  const JobSpec job = parsed_masked(text_of(roster_of(kSix)));
  Roster other = simulated_roster(kSix);
  other["north"] = crypto::sha256("a minted key");
  const auto refused = with_roster(job, other);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message == "federation.roster: 'north' has another key in the job");
}

TEST_CASE("sites and roster of a job must be the same sites") {
  CHECK(refusal(text_of(roster_of(kSix) + ", sites: [east, north, west]")) ==
        "job.yaml: federation.roster: 'north-east' isn't listed in federation.sites (line 1)");
  CHECK(refusal(text_of(roster_of({"a", "b", "c"}) + ", sites: [a, b, c, d]")) ==
        "job.yaml: federation.sites: 'd' isn't in the roster (line 1)");
}

TEST_CASE("a roster has 3 to 255 sites, each with a key of its own") {
  CHECK(refusal(text_of(roster_of({"a", "b"}))) ==
        "job.yaml: federation.roster: expected 3 to 255 sites, found 2 (line 1)");
  Names many;
  for (int i = 0; i < 255; ++i) many.push_back("site-" + std::to_string(i));
  CHECK(parse_job(text_of(roster_of(many)), "job.yaml"));
  CHECK(with_roster(parsed_masked(text_of("")), simulated_roster(many)));
  many.push_back("one-more");
  CHECK_FALSE(parse_job(text_of(roster_of(many)), "job.yaml"));
  CHECK_FALSE(with_roster(parsed_masked(text_of("")), simulated_roster(many)));
  const std::string key(64, 'a');
  CHECK(refusal(text_of(", roster: {a: " + key + ", b: " + std::string(64, 'b') + ", c: " + key + "}")) ==
        "job.yaml: federation.roster: 'a' and 'c' have the same key (line 1)");
}

TEST_CASE("a cohort that colluding sites could see through is refused, with what to change") {
  CHECK(refusal(text_of(roster_of(kSix) + ", fraction: 0.3")) ==
        "job.yaml: federation.fraction: federation.fraction 0.3 x 6 sites is a cohort of 2; secure aggregation needs a "
        "cohort of at least 3 (line 1)");
  CHECK(refusal(text_of(roster_of(kSix), "colluding_sites: 3")) ==
        "job.yaml: privacy.colluding_sites: federation.fraction 1 x 6 sites is a cohort of 6, which must be at least 2 "
        "x privacy.colluding_sites (3) + 1; expected at most 2 colluding sites, or a larger fraction (line 1)");
  CHECK(refusal(text_of(roster_of(kSix) + ", minimum_sites: 4")) ==
        "job.yaml: federation.minimum_sites: expected 5 (2 x privacy.colluding_sites (2) + 1) to 6 (the sites that the "
        "job lists), found 4 (line 1)");
  CHECK(refusal(text_of(roster_of(kSix) + ", minimum_sites: 7")).find("found 7") != std::string::npos);
  CHECK(refusal(text_of(roster_of(kSix) + ", quorum: 0.6")) ==
        "job.yaml: federation.quorum: 0.6 of a cohort of 6 is 4 sites, but with privacy.colluding_sites 2 a sum needs "
        "5; expected a quorum of at least 0.833 (line 1)");
  CHECK(parse_job(text_of(roster_of(kSix) + ", quorum: 0.7, minimum_sites: 5"), "job.yaml"));
  CHECK(parse_job(text_of(roster_of(kSix) + ", quorum: 0.6, minimum_sites: 3", "colluding_sites: 1"), "job.yaml"));
}

TEST_CASE("count groups part the sites, and none is smaller than colluding sites could see through") {
  const std::string one = ", count_groups: [[west, east, north], [south, south-west, north-east]]";
  const JobSpec job = parsed_masked(text_of(roster_of(kSix) + one, "colluding_sites: 1"));
  CHECK(count_groups(job) == std::vector<Names>{{"east", "north", "west"}, {"north-east", "south", "south-west"}});
  CHECK(parsed_masked(canonical_text(job)) == job);
  const auto refused = [](const std::string& groups, const std::string& c = "colluding_sites: 1") {
    return refusal(text_of(roster_of(kSix) + ", count_groups: " + groups, c));
  };
  CHECK(refused("[[west, east, north], [south, south-west, north-east]]", "") ==
        "job.yaml: federation.count_groups[0]: expected at least 5 sites (2 x privacy.colluding_sites + 1), found 3 "
        "(line 1)");
  CHECK(
      refused("[[west, east, north, south-west], [south, north-east]]").find("count_groups[1]: expected at least 3") !=
      std::string::npos);
  CHECK(refused("[[west, east, north], [south, south-west, centre]]") ==
        "job.yaml: federation.count_groups[1]: 'centre' isn't one of the job's sites (line 1)");
  CHECK(refused("[[west, east, north], [south, south-west, west]]") ==
        "job.yaml: federation.count_groups[1]: 'west' is in an earlier group too (line 1)");
  CHECK(refused("[[west, east, north]]").find("count_groups: 'north-east' is in no group") != std::string::npos);
}

TEST_CASE("who may collude, the groups and every key are part of the digest") {
  const std::string text = text_of(roster_of(kSix), "colluding_sites: 1");
  const crypto::Digest digest = job_digest(parsed_masked(text));
  CHECK(job_digest(parsed_masked(with(text, "colluding_sites: 1", "colluding_sites: 2"))) != digest);
  CHECK(job_digest(parsed_masked(with(text, "rounds: 2",
                                      "rounds: 2, count_groups: [[west, east, north], [south, south-west, "
                                      "north-east]]"))) != digest);
  const std::string key = crypto::to_hex(simulated_roster(kSix).at("north"));
  CHECK(job_digest(parsed_masked(with(text, key, std::string(64, '0')))) != digest);
  std::string upper = key;
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  CHECK(job_digest(parsed_masked(with(text, key, "'" + upper + "'"))) == digest);
}

TEST_CASE("a masked job made by hand is checked like one that was parsed_masked") {
  JobSpec job = parsed_masked(text_of(roster_of(kSix)));
  job.federation.minimum_sites = 1;
  CHECK_FALSE(check_masked(job));
  job = parsed_masked(text_of(roster_of(kSix)));
  job.federation.sites.pop_back();
  CHECK(check_masked(job).error().message == "federation.sites: 'west' of federation.roster isn't listed");
  job = parsed_masked(text_of(roster_of(kSix)));
  job.federation.sites.push_back("centre");
  CHECK(check_masked(job).error().message == "federation.roster: 'centre' of federation.sites has no key");
}

TEST_CASE("a job without its masks is a plain job of the same training") {
  const JobSpec plain = without_masks(parsed_masked(text_of(roster_of(kSix))));
  CHECK_FALSE(is_masked(plain));
  CHECK(plain.federation.sites == kSix);
  CHECK(plain.strategy.weighting == Weighting::kPopulation);
  CHECK(parsed_masked(canonical_text(plain)) == plain);
  CHECK(without_masks(plain) == plain);
  const JobSpec unrostered = without_masks(parsed_masked(text_of("")));
  CHECK(parsed_masked(canonical_text(unrostered)) == unrostered);
}

TEST_CASE("the fuzzer begins with jobs that are read") {
  for (const char* seed : {"masked.yaml", "unrostered.yaml", "plain.yaml"}) {
    const auto job = read_job(std::string(CONSILIUM_SOURCE_DIR "/tests/fuzz/job/corpus/") + seed);
    INFO((job ? "" : job.error().message));
    CHECK(job);
  }
}

TEST_CASE("made-up keys follow from the site's name alone") {
  const Roster roster = simulated_roster({"a", "b"});
  CHECK(roster == simulated_roster({"b", "a"}));
  CHECK(roster.at("a") != roster.at("b"));
  CHECK(simulated_roster({"a"}).at("a") == roster.at("a"));
}

}  // namespace
}  // namespace consilium::job
