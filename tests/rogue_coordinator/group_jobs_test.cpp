// Mode `masked`: only north's roster determines which sites' data are summed with north's.
#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "tests/catch.h"
#include "tests/rogue_coordinator/group_stage.h"

namespace consilium::rogue {
namespace {

using wire::JobAnswer;
using wire::JobConsent;

/// Expects that north declines a job although ada signed it and a person would approve it, and contributes nothing to
/// it.
void check_declined(Stage& stage, const job::JobSpec& job, const std::string& why) {
  const std::size_t given = stage.uploads().size();
  const wire::JobOffer offer{"other", job::canonical_text(job), Stage::sign(stage.ada(), job::job_digest(job))};
  CHECK(stage.answer_to(offer) == JobAnswer{"other", JobConsent::kDeclined, "roster"});
  CHECK(stage.logged(why));
  const job::SessionKey key{"other", SumKind::kCensus, 0, 1};
  job::RoundOrder order = job::expected_order(job, key, 0, {}, 0).value();
  stage.expect_upload(key, order.layout.word_count() + 2);
  stage.send(wire::SessionOffer{key, job::encode(order), 0});
  CHECK(stage.refusal(key).has_value());
  CHECK(stage.uploads().size() == given);
}

TEST_CASE("mode masked: a second job that differs by a site gets nothing, so there is no difference to take") {
  // The audit's second program: job 1 over all sites, job 2 without west. The difference of their sums is west.
  Stage stage(one_group());
  GroupJob all(stage, stage.job());
  all.begin();
  all.run(SumKind::kTrain, 1);
  const std::vector<roster::Group> fewer{{"east", "north", "south"}};
  job::PopulationTerms terms = stage.terms();
  terms.groups = fewer;
  SECTION("with the roster's history") {}
  SECTION("with a history of its own") { terms.history = roster::history_digest(fewer); }
  SECTION("with a history that goes on from the roster's") {
    terms.history = roster::history_digest(std::vector<roster::Group>{stage.terms().groups[0], fewer[0]});
  }
  check_declined(stage, stage.job(terms), "its groups or their history differ");
}

TEST_CASE("mode masked: sites are summed in the roster's groups and no others") {
  Stage stage(two_groups());
  job::PopulationTerms terms = stage.terms();
  SECTION("regrouped") { terms.groups = {{"east", "north", "ulm"}, {"south", "vienna", "west", "york"}}; }
  SECTION("merged") {
    terms.groups = {terms.groups[0]};
    terms.groups[0].insert(terms.groups[0].begin() + 3, {"ulm", "vienna"});
    terms.groups[0].push_back("york");
  }
  SECTION("a group less one") { terms.groups[0].pop_back(); }
  SECTION("one group less one site, the other true") {
    terms.groups[1] = {"ulm", "vienna", "west"}, terms.groups[0].pop_back();
  }
  check_declined(stage, stage.job(terms), "its groups or their history differ");
}

TEST_CASE("mode masked: patients whom the roster protects so are summed in no other way") {
  StageOptions options = one_group();
  options.policy = "allow_unmasked: true\n";
  options.datasets = "  renamed: {type: npz, path: chest.npz}\n";
  Stage stage(options);
  job::JobSpec job = stage.job();
  std::string why;
  SECTION("plain") {
    job = job::without_masks(job);
    why = "the job's mode is plain, but the roster's population 'chest' allows only masked";
  }
  SECTION("over survivors") {
    job = stage.job(std::vector<std::string>{"east", "north", "south", "west"});
    why = "the job's mode is masked-threshold, but the roster's population 'chest' allows only masked";
  }
  SECTION("under another name of the data set") {
    job.data.dataset = "renamed";
    why = "no population in this site's roster file has the data set 'renamed'";
  }
  SECTION("plain, under another name of the data set") {
    job = job::without_masks(job);
    job.data.dataset = "renamed";
    why = "no population in this site's roster file has the data set 'renamed'";
  }
  SECTION("in a population of another name") {
    job.population->name = "other";
    why = "the job names 'other', the roster 'chest'";
  }
  SECTION("with a higher bound of examples") {
    job.population->examples = kBound + 1;
    why = "the bound of examples is 41 in the job, and 40 in the roster";
  }
  check_declined(stage, job, why);
}

}  // namespace
}  // namespace consilium::rogue
