#include "client/approval/job_in_words.h"

#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "tests/catch.h"

namespace consilium::approval {
namespace {

/// The example's 20 rounds over four hospitals.
job::JobSpec chest_job() {
  const job::JobSpec job = job::read_job(CONSILIUM_SOURCE_DIR "/examples/chest-xray.yaml").value();
  return job::with_roster(job, job::simulated_roster({"east", "north", "south", "west"})).value();
}

TEST_CASE("what leaves a hospital is said with its number") {
  job::JobSpec job = chest_job();
  job.federation.rounds = 20;
  job.evaluation.every = 1;
  CHECK(releases_of(job) == ReleaseCount{20, 21});
  CHECK(releases_in_words(job) == "20 sums of updates and 21 sums of counts, each over 4 hospitals");
  job.evaluation.every = 0;
  CHECK(releases_in_words(job) == "20 sums of updates and 1 sum of counts, each over 4 hospitals");
  job.evaluation.every = 7;  // after rounds 7, 14 and 20
  CHECK(releases_of(job).counts == 4);
  job.federation.rounds = 21;
  CHECK(releases_of(job).counts == 4);
  CHECK(releases_in_words(job::without_masks(job)) ==
        "21 updates and 4 counts of this hospital, each of which the coordinator sees by itself");
}

TEST_CASE("groups are said apart where their sums are over fewer hospitals") {
  job::JobSpec job = chest_job();
  const std::vector<std::string> seven{"a", "b", "c", "d", "e", "f", "g"};
  job.federation.sites = seven;
  job.federation.roster = job::simulated_roster(seven);
  job.federation.count_groups = {{"a", "b", "c"}, {"d", "e", "f", "g"}};
  job.federation.rounds = 2;
  CHECK(releases_in_words(job) ==
        "2 sums of updates, each over 7 hospitals, and 3 sums of counts, each over 3 or 4 hospitals");
  CHECK(sites_in_words(job) == "7: a, b, c, d, e, f, g; in 2 groups: a + b + c, d + e + f + g");
  CHECK(sites_in_words(chest_job()) == "4: north, south, east, west");
}

TEST_CASE("a model is said with its size, and weights with where they come from") {
  job::JobSpec job = chest_job();
  job.model = job::parse_job(
                  "{name: t, model: {layers: [{linear: 2}], input: [3], classes: 2}, data: {dataset: chest}, training: "
                  "{local_epochs: 1, batch_size: 8, optimizer: {name: sgd, learning_rate: 0.1}}, federation: {rounds: "
                  "1, minimum_sites: 1}, strategy: {name: fedavg}, privacy: {secure_aggregation: off}, seed: 1}",
                  "job.yaml")
                  .value()
                  .model;
  CHECK(model_in_words(job) == "1 layers of the researcher's own, 8 parameters (0.0 MB)");
  job.model.layers.emplace_back(model::Linear{.out_features = 2});
  job.model.frozen = {"0"};
  CHECK(model_in_words(job) ==
        "2 layers of the researcher's own, 14 parameters (0.0 MB), of which 6 leave this site; frozen: 0");
  job.seed = 42;
  CHECK(weights_in_words(job) == "random numbers that follow from the job's seed 42");
  job.initial_weights_digest = crypto::sha256("weights");
  CHECK(weights_in_words(job).starts_with("a file of the researcher's own, SHA-256 "));
}

TEST_CASE("what is unusual is said, and an ordinary job has nothing of it") {
  job::JobSpec job = chest_job();
  CHECK(unusual_in(job).empty());
  job.model.name.clear();
  CHECK(unusual_in(job).at(0) == "a model of the researcher's own layers can be made to copy images out");
  job.initial_weights_digest = crypto::sha256("weights");
  job.training.optimizer.learning_rate = 1e-30;
  job.training.batch_size = 100'000;
  job.privacy.secure_aggregation = job::SecureAggregation::kOff;
  CHECK(unusual_in(job).size() == 5);
}

TEST_CASE("what makes a later round unusual, or another optimiser, is not hidden behind round 1's learning rate") {
  job::JobSpec job = chest_job();
  job.training.optimizer.learning_rate = 0.1;
  SECTION("a schedule that falls to nothing") {
    job.training.schedule = {job::ScheduleKind::kStep, 1, 1e-12, 0.0};
    job.federation.rounds = 2;
    CHECK_THAT(training_in_words(job), Catch::Contains("learning rates from 1e-13 to 0.1"));
    CHECK_THAT(unusual_in(job).at(0), Catch::StartsWith("a learning rate of 1e-13 trains nothing"));
  }
  SECTION("a layer whose learning rate is nothing") {
    job.training.learning_rates = {{"conv1", 1e-6}, {"fc2", 2}};
    CHECK_THAT(training_in_words(job), Catch::Contains("learning rates from 1e-07 to 0.2, times 1e-06 in conv1 and "
                                                       "times 2 in fc2, "));
    CHECK_THAT(unusual_in(job).at(0), Catch::StartsWith("a learning rate of 1e-07 trains nothing"));
  }
  SECTION("a warm-up that begins with nothing, and a gradient clip that leaves nothing of a step") {
    job.training.schedule.warmup = 2;
    CHECK_THAT(training_in_words(job),
               Catch::StartsWith(std::to_string(job.federation.rounds) + " rounds (the first 2 rounds warm up) of "));
    job.training.gradient_clip = 1e-6;
    CHECK_THAT(training_in_words(job), Catch::Contains("gradients clipped to the norm 1e-06"));
    CHECK_THAT(unusual_in(job).at(0),
               Catch::StartsWith("steps of 3.3") && Catch::Contains("gradients clipped to 1e-06) trains nothing"));
    job.training.optimizer.kind = job::OptimizerKind::kAdam;
    job.training.optimizer.epsilon = 1e-8;
    CHECK_THAT(unusual_in(job).at(0), Catch::StartsWith("an epsilon of 1e-08 divides the learning rate"));
  }
  SECTION("an epsilon that divides the learning rate") {
    job.training.optimizer.kind = job::OptimizerKind::kAdam;
    job.training.optimizer.epsilon = 1e6;
    CHECK_THAT(unusual_in(job).at(0), Catch::StartsWith("an epsilon of 1000000 divides the learning rate"));
  }
  SECTION("Adam in few steps") {
    job.training.optimizer.kind = job::OptimizerKind::kAdam;
    job.population = job::PopulationTerms{"chest", 1000, {}, {}};
    job.training.local_epochs = 1;
    job.training.batch_size = 50;
    CHECK(unusual_in(job).empty());
    job.training.batch_size = 51;
    CHECK_THAT(unusual_in(job).at(0), Catch::StartsWith("with batches of 51, adam makes few steps per round"));
  }
  SECTION("a batch that is all of a small hospital's examples") {
    job.population = job::PopulationTerms{"chest", 100, {}, {}};
    job.training.batch_size = 25;
    CHECK(unusual_in(job).empty());
    job.training.batch_size = 26;
    CHECK_THAT(unusual_in(job).at(0), Catch::StartsWith("with batches of 26, an update may be one exact sum"));
  }
  SECTION("clips that cut everything") {
    job.privacy.clip = 0.0009765625;
    job.privacy.buffer_clip = 0.5;
    CHECK_THAT(unusual_in(job).at(0), Catch::StartsWith("with a clip of 0.0009765625, updates are clipped or coarse"));
    CHECK_THAT(unusual_in(job).at(1), Catch::StartsWith("with a buffer_clip of 0.5"));
  }
  SECTION("clips that round everything to few values") {
    job.privacy.clip = 1 << 20;
    job.privacy.buffer_clip = 1 << 20;
    CHECK_THAT(unusual_in(job).at(0), Catch::StartsWith("with a clip of 1048576, a learning rate of 0.1"));
    CHECK_THAT(unusual_in(job).at(1), Catch::StartsWith("with a buffer_clip of 1048576"));
  }
}

TEST_CASE("the layers that a hospital trains for itself are named") {
  job::JobSpec job = chest_job();
  job.model = {"", {model::Linear{.out_features = 2}, model::Linear{.out_features = 2}}, {3}, 2};
  job.model.local = {"0"};
  CHECK(model_in_words(job) ==
        "2 layers of the researcher's own, 14 parameters (0.0 MB), of which 6 leave this site; trained only here: 0");
}

TEST_CASE("a job's task and loss are said with their numbers, and a class that weighs nothing is unusual") {
  job::JobSpec job = chest_job();
  CHECK_THAT(training_in_words(job), Catch::Contains("classification by cross_entropy, on the data set"));
  job.training.loss.balanced = true;
  CHECK_THAT(training_in_words(job),
             Catch::Contains("cross_entropy, class weights balanced by the labels of all hospitals, on"));
  job.training.loss.balanced = false;
  job.data.augment.emplace();
  CHECK_THAT(training_in_words(job), Catch::EndsWith("', images not changed at random"));
  job.data.augment->rotate = 15;
  CHECK_THAT(training_in_words(job),
             Catch::EndsWith(R"(', images changed at random as the job says ({"rotate":15.0}))"));
  job.data.augment.reset();
  job.data.atlas = job::AtlasSpec{"brain", {}, 1};
  CHECK_THAT(training_in_words(job), Catch::EndsWith("', with this site's atlas 'brain'"));
  job.data.atlas.reset();
  job.evaluation.alone = true;
  CHECK_THAT(training_in_words(job), Catch::EndsWith("', and the same for a model that stays here"));
  job.evaluation.alone = false;
  job.training.loss.class_weights = {1, 0};
  job.training.loss.label_smoothing = 0.1;
  CHECK_THAT(training_in_words(job), Catch::Contains("cross_entropy, class weights 1, 0, label_smoothing 0.1, on"));
  CHECK(unusual_in(job) ==
        std::vector<std::string>{
            "class weights from 0 to 1 make updates depend on the images of few classes only, or of none"});
  job.training.loss = {.kind = task::LossKind::kFocal, .class_weights = {}, .gamma = 2};
  CHECK_THAT(training_in_words(job), Catch::Contains("classification by focal, gamma 2, on"));
}

TEST_CASE("groups in mode masked, and who else reads the models, are said") {
  job::JobSpec job = chest_job();
  CHECK(readers_in_words(job) == "the researcher who asks");
  job.readers = {"bob", "eve"};
  CHECK(readers_in_words(job) == "the researcher who asks, and bob, eve");
  job.federation.count_groups.clear();
  job.population = job::PopulationTerms{"chest", 100, {{"east", "north"}, {"south", "west"}}, {}};
  CHECK(sites_in_words(job) == "4: north, south, east, west; in 2 groups: east + north, south + west");
}

TEST_CASE("the sums that a job uses are told from those of other jobs") {
  CHECK(budget_in_words({20, 21}, {"chest", 0, false, 400}) ==
        "41 of the 400 that maximum_sums allows; other jobs have used 0 sums over 'chest'");
  CHECK(budget_in_words({20, 21}, {"chest", 141, true, 400}) ==
        "41 of the 400 that maximum_sums allows; other jobs have used 100 sums over 'chest'");
  CHECK(budget_in_words({20, 21}, {"chest", 1, false, std::nullopt}) ==
        "41; policy.yaml states no maximum_sums; other jobs have used 1 sum over 'chest'");
}

TEST_CASE("a job's facts begin with what it is and where it stands") {
  const job::JobSpec job = chest_job();
  const Offer offer{{job::job_digest(job), "ada"}, "chest-xray-1", job::canonical_text(job), 1'800'000'000};
  const Facts facts = facts_of(offer, job, std::nullopt, false, {"chest", 0, false, {}});
  CHECK(facts.at(0).second == "chest-xray-1 ('chest-xray'), first offered on 2027-01-15 08:00 UTC");
  CHECK(facts.at(1).second == "waits for approval");
  CHECK(facts.at(2).second == "ada (signature verified)");
  CHECK(facts.at(facts.size() - 2) == std::pair<std::string, std::string>{"unusual", "nothing"});
  CHECK(facts.back().second == "consilium-client approve " + crypto::to_hex(offer.job.digest) + " ada");
  CHECK(state_in_words(Decision{offer.job, false, "anna", 1'800'000'000}, false) ==
        "declined by anna on 2027-01-15 08:00 UTC");
  CHECK(state_in_words(std::nullopt, true) == "accepted by the policy");
}

}  // namespace
}  // namespace consilium::approval
