#include "trainer_program.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/model/model_parameters.h"

namespace consilium::trainer {
namespace {

using namespace testing;

model::ModelSpec linear_model() {
  model::ModelSpec spec;
  spec.layers = {model::Flatten{}, model::Linear{.out_features = 2}};
  spec.input = {1, 4, 4};
  spec.classes = 2;
  return spec;
}

Prepare prepare_for(const std::filesystem::path& file) {
  return {
      .model = linear_model(), .data = {.type = "npz", .path = file.string()}, .normalize = {}, .parameter_count = 34};
}

Train train_request() {
  Train request{.site = "north", .round = 1, .seed = 7, .local_epochs = 2, .batch_size = 8, .optimizer = {}};
  request.optimizer.learning_rate = 0.1;
  return request;
}

/// A trainer that has said hello and prepared a data set of 40 training and 10 validation examples.
struct Prepared40 {
  Prepared40() {
    REQUIRE(data::write_npz(folder / "data.npz", small_dataset(40, 10)));
    hello = trainer.expect<Hello>();
    trainer.send(prepare_for(folder / "data.npz"));
    prepared = trainer.expect<Prepared>();
  }
  Folder folder;
  RunningTrainer trainer;
  Hello hello;
  Prepared prepared;
  ParameterVector weights = value_of(model::initial_weights(linear_model(), 3));
};

std::vector<float> train_once(RunningTrainer& trainer, const ParameterVector& weights, const Train& request) {
  const Shared global(weights);
  const Shared delta(weights.size() * sizeof(float));
  trainer.send(request, {global.descriptor(), delta.descriptor()});
  (void)trainer.expect<Trained>();
  return delta.as<float>();
}

TEST_CASE("a trainer says hello, prepares, trains and evaluates, and ends when its host closes") {
  Prepared40 site;
  CHECK(site.hello.protocol == kProtocolVersion);
  CHECK(site.hello.device == "cpu");
  CHECK(site.hello.sandboxed);
  CHECK(site.hello.software.find("consilium-trainer ") == 0);
  CHECK(site.prepared.train_examples == 40);
  CHECK(site.prepared.val_examples == 10);
  CHECK(site.prepared.test_examples == 0);
  CHECK(site.prepared.class_examples == std::vector<std::uint64_t>{20, 20});

  const std::vector<float> delta = train_once(site.trainer, site.weights, train_request());
  CHECK(std::all_of(delta.begin(), delta.end(), [](float value) { return std::isfinite(value) && value != 0.0F; }));
  CHECK(train_once(site.trainer, site.weights, train_request()) == delta);

  const Shared global(site.weights);
  const Shared counts(task::make_task({}, 2).value()->evaluation_elements() * sizeof(std::uint64_t));
  site.trainer.send(Evaluate{.split = job::Split::kVal, .batch_size = 4}, {global.descriptor(), counts.descriptor()});
  CHECK(std::holds_alternative<Evaluated>(site.trainer.receive(true)));  // no progress precedes it
  CHECK(counts.as<std::uint64_t>().front() == 10);
  const Shared single(10 * counts.as<std::uint64_t>().size() * sizeof(std::uint64_t));
  site.trainer.send(EvaluatePatients{.split = job::Split::kVal, .batch_size = 4, .patients = 10},
                    {global.descriptor(), single.descriptor()});
  CHECK(std::get<EvaluatedPatients>(site.trainer.receive(true)).all == 10);  // the images have no known patient
  CHECK(single.as<std::uint64_t>().front() == 1);
  CHECK(site.trainer.close() == 0);
}

TEST_CASE("another trainer process gives the same bytes") {
  Prepared40 first;
  Prepared40 second;
  CHECK(train_once(first.trainer, first.weights, train_request()) ==
        train_once(second.trainer, second.weights, train_request()));
}

TEST_CASE("a global model that is sealed against writing is enough") {
  Prepared40 site;
  const Shared global(site.weights);
  REQUIRE(::fcntl(global.descriptor(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0);
  const Shared delta(site.weights.size() * sizeof(float));
  site.trainer.send(train_request(), {global.descriptor(), delta.descriptor()});
  (void)site.trainer.expect<Trained>();
}

TEST_CASE("requests that cannot be are answered, and the trainer lives on") {
  Prepared40 site;
  const Shared global(site.weights);
  const Shared delta(site.weights.size() * sizeof(float));
  const Shared longer((site.weights.size() + 1) * sizeof(float));
  SECTION("no descriptors") {
    site.trainer.send(train_request());
    CHECK(site.trainer.expect<Failed>().code == ErrorCode::kInvalidArgument);
  }
  SECTION("a vector of another size") {
    site.trainer.send(train_request(), {global.descriptor(), longer.descriptor()});
    const Failed failed = site.trainer.expect<Failed>();
    CHECK(failed.code == ErrorCode::kInvalidArgument);
    CHECK(failed.message == "the delta: expected 136 bytes, found 140");
  }
  SECTION("a descriptor that isn't memory") {
    int ends[2] = {-1, -1};
    REQUIRE(::pipe(ends) == 0);
    site.trainer.send(train_request(), {ends[0], delta.descriptor()});
    CHECK(site.trainer.expect<Failed>().message.find("the global model: expected shared memory") == 0);
    ::close(ends[0]);
    ::close(ends[1]);
  }
  SECTION("a record that isn't one") {
    site.trainer.send_text("{\"type\": \"train\", \"site\": 4}");
    CHECK(site.trainer.expect<Failed>().code == ErrorCode::kInvalidArgument);
  }
  SECTION("a parameter count of another model") {
    Prepare other = prepare_for(site.folder / "data.npz");
    other.parameter_count = 35;
    site.trainer.send(other);
    CHECK(site.trainer.expect<Failed>().message == "parameter_count: expected 34, as in the model, found 35");
    site.trainer.send(train_request(), {global.descriptor(), delta.descriptor()});
    CHECK(site.trainer.expect<Failed>().code == ErrorCode::kFailedPrecondition);
  }
  SECTION("a data set that isn't there") {
    site.trainer.send(prepare_for(site.folder / "absent.npz"));
    CHECK(site.trainer.expect<Failed>().message.find("absent.npz") != std::string::npos);
  }
  SECTION("a model of NaN") {
    const Shared broken(ParameterVector(site.weights.size(), std::numeric_limits<float>::quiet_NaN()));
    site.trainer.send(train_request(), {broken.descriptor(), delta.descriptor()});
    CHECK(site.trainer.expect<Failed>().message.find("round 1: loss became NaN in epoch 1, step 1") == 0);
  }
  SECTION("a cancel while nothing goes on is ignored") { site.trainer.send(Cancel{}); }
  site.trainer.send(prepare_for(site.folder / "data.npz"));
  (void)site.trainer.expect<Prepared>();
  (void)train_once(site.trainer, site.weights, train_request());
  CHECK(site.trainer.close() == 0);
}

TEST_CASE("nothing is trained before something is prepared") {
  RunningTrainer trainer;
  (void)trainer.expect<Hello>();
  trainer.send(train_request());
  CHECK(trainer.expect<Failed>().code == ErrorCode::kFailedPrecondition);
}

TEST_CASE("a data set that was replaced on disk is read again") {
  Prepared40 site;
  REQUIRE(data::write_npz(site.folder / "data.npz", small_dataset(24, 6)));
  site.trainer.send(prepare_for(site.folder / "data.npz"));
  CHECK(site.trainer.expect<Prepared>().train_examples == 24);
}

TEST_CASE("labels beyond the model's classes are refused with the file's name") {
  Folder folder;
  data::Dataset dataset = small_dataset(8, 2);
  dataset.classes = 6;
  dataset.train.labels[3] = 5;
  REQUIRE(data::write_npz(folder / "odd.npz", dataset));
  RunningTrainer trainer;
  (void)trainer.expect<Hello>();
  trainer.send(prepare_for(folder / "odd.npz"));
  const Failed failed = trainer.expect<Failed>();
  CHECK(failed.code == ErrorCode::kInvalidArgument);
  CHECK(failed.message.find("odd.npz") != std::string::npos);
}

TEST_CASE("training is cancelled between two steps, and the next one works") {
  Prepared40 site;
  const Shared global(site.weights);
  const Shared delta(site.weights.size() * sizeof(float));
  Train endless = train_request();
  endless.local_epochs = 1'000'000;
  site.trainer.send(endless, {global.descriptor(), delta.descriptor()});
  CHECK(std::holds_alternative<Progress>(site.trainer.receive(true)));
  site.trainer.send(Cancel{});
  CHECK(site.trainer.expect<Failed>().code == ErrorCode::kCancelled);
  (void)train_once(site.trainer, site.weights, train_request());
}

TEST_CASE("a trainer whose host goes away while it trains ends") {
  Prepared40 site;
  const Shared global(site.weights);
  const Shared delta(site.weights.size() * sizeof(float));
  Train endless = train_request();
  endless.local_epochs = 1'000'000;
  site.trainer.send(endless, {global.descriptor(), delta.descriptor()});
  CHECK(std::holds_alternative<Progress>(site.trainer.receive(true)));
  CHECK(site.trainer.close() == 0);
}

}  // namespace
}  // namespace consilium::trainer
