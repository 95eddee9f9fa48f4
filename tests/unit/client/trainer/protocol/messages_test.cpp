#include "client/trainer/protocol/messages.h"

#include <cmath>
#include <fstream>
#include <limits>

#include "tests/catch.h"

using namespace consilium;
using namespace consilium::trainer;

namespace {

Prepare chest_prepare() {
  Prepare request;
  request.model.name = "fedavg_cnn";
  request.model.input = {1, 28, 28};
  request.model.classes = 2;
  request.data = {"npz", "/srv/data/chest \"x\".npz"};
  request.normalize = job::Normalization{{0.1, 1.0 / 3.0}, {0.25, 0.5}};
  request.parameter_count = 1'663'370;
  return request;
}

Train chest_train() {
  Train request;
  request.site = "Krankenhaus Süd";
  request.round = 7;
  request.seed = std::numeric_limits<std::uint64_t>::max();
  request.local_epochs = 3;
  request.batch_size = 32;
  request.optimizer = {job::OptimizerKind::kAdamW, 0.1 + 0.2, 0.9, 1e-300, 0.9, 0.999, 1e-8};
  request.proximal_mu = std::nextafter(1.0, 2.0);
  request.time_limit_ms = 600'000;
  request.gradient_clip = 1.0 / 3.0;
  request.learning_rates = {{"conv1", 1.0 / 7.0}, {"fc1", 2.0}};
  return request;
}

}  // namespace

TEST_CASE("every request survives its own text, every bit of every number") {
  model::ModelSpec layers;
  layers.input = {60};
  layers.classes = 10;
  layers.layers = {model::Linear{0, 10, true}, model::Relu{}, model::Dropout{0.1}};
  Prepare by_layers = chest_prepare();
  by_layers.model = layers;
  by_layers.normalize.reset();
  by_layers.data.type = "idx";
  by_layers.precision = job::Precision::kBfloat16;
  by_layers.atlas = AtlasFile{"/srv/maps/brain.nii", {1, 2, 3}, 4};
  for (const Request& request :
       {Request(chest_prepare()), Request(by_layers), Request(chest_train()), Request(Evaluate{job::Split::kTest, 256}),
        Request(EvaluatePatients{job::Split::kTrain, 16, 3, 40, 20}), Request(Look{{"npz", "/data/chest.npz"}}),
        Request(Cancel{})}) {
    const std::string text = encode(request);
    CAPTURE(text);
    const auto decoded = decode_request(text);
    REQUIRE(decoded.has_value());
    CHECK(*decoded == request);
    CHECK_FALSE(decode_reply(text).has_value());
  }
}

TEST_CASE("every reply survives its own text") {
  for (const Reply& reply :
       {Reply(Hello{1, "consilium-trainer 0.1.0, LibTorch 2.13.0", "cuda:0", true}),
        Reply(Prepared{5, 6, 7, {2, 0, 3}}), Reply(Progress{3, 9}), Reply(Trained{1.0 / 3.0, 2, true, 12.75}),
        Reply(Evaluated{0.5}), Reply(EvaluatedPatients{0.5, 60}),
        Reply(Failed{ErrorCode::kResourceExhausted, "CUDA out of memory\ntried to allocate 2 GiB"})}) {
    const std::string text = encode(reply);
    CAPTURE(text);
    const auto decoded = decode_reply(text);
    REQUIRE(decoded.has_value());
    CHECK(*decoded == reply);
    CHECK_FALSE(decode_request(text).has_value());
  }
}

TEST_CASE("a failure always finds words: too long, empty, not UTF-8, a code of the host's own") {
  const auto through = [](Failed failed) { return std::get<Failed>(decode_reply(encode(Reply(failed))).value()); };
  CHECK(through({ErrorCode::kInternal, std::string(10'000, 'x')}).message.size() == 4096);
  CHECK(through({ErrorCode::kInternal, ""}).message == "(no text)");
  CHECK(through({ErrorCode::kInternal, std::string(5000, '\xff')}).message.starts_with("\xef\xbf\xbd"));
  CHECK(through({ErrorCode::kUnauthenticated, "x"}).code == ErrorCode::kInternal);
}

TEST_CASE("a loss that is no number cannot be said") {
  CHECK_FALSE(decode_reply(encode(Reply(Trained{std::nan(""), 1, false, 0.0}))).has_value());
  CHECK_FALSE(decode_reply(encode(Reply(Trained{INFINITY, 1, false, 0.0}))).has_value());
}

TEST_CASE("a record's error names the key's path and what was expected") {
  std::string text = encode(Request(chest_train()));
  const auto at = text.find("\"adamw\"");
  REQUIRE(at != std::string::npos);
  text.replace(at, 7, "\"magic\"");
  const auto decoded = decode_request(text);
  REQUIRE_FALSE(decoded.has_value());
  CHECK_THAT(decoded.error().message, Catch::Contains("train.optimizer.name: expected one of sgd, adam, adamw"));
}

TEST_CASE("an evaluation of two classes has 2 + 4 + 4096 counts") {
  CHECK(task_of(chest_prepare()).value()->evaluation_elements() == 4102);
}

TEST_CASE("the document's example is what both sides read") {
  std::ifstream page(CONSILIUM_SOURCE_DIR "/docs/formats/trainer_protocol.md");
  std::string line;
  std::size_t requests = 0;
  std::size_t replies = 0;
  while (std::getline(page, line)) {
    const bool request = line.starts_with("<-- ");
    if ((!request && !line.starts_with("--> ")) || line.size() < 14) continue;
    CAPTURE(line);
    const std::string json = line.substr(13);
    CHECK(std::stoul(line.substr(4, 2), nullptr, 16) + 256 * std::stoul(line.substr(6, 2), nullptr, 16) == json.size());
    CHECK(line.substr(8, 5) == "0000 ");
    if (request) {
      CHECK(decode_request(json).has_value());
    } else {
      CHECK(decode_reply(json).has_value());
    }
    (request ? requests : replies) += 1;
  }
  CHECK(requests == 2);
  CHECK(replies == 4);
}
