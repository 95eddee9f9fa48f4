#include <signal.h>

#include <chrono>
#include <cmath>
#include <thread>

#include "client/trainer_process/trainer_process.h"
#include "tests/catch.h"
#include "tests/unit/client/trainer_process/fixtures.h"

using namespace consilium;
using namespace consilium::trainer;

namespace {

Error failure_of(std::vector<std::string> arguments) {
  TrainerProcess trainer(rogue(std::move(arguments)));
  Vectors vectors;
  const auto trained = train_once(trainer, vectors);
  REQUIRE_FALSE(trained.has_value());
  return trained.error();
}

}  // namespace

TEST_CASE("a trainer that dies is reported with its signal or its exit status and last words") {
  const Error segfault = failure_of({"segfault"});
  CHECK(segfault.code == ErrorCode::kUnavailable);
  CHECK(segfault.message == "training failed: trainer killed by signal 11 (SIGSEGV)");
  const Error exited = failure_of({"exit"});
  CHECK(exited.code == ErrorCode::kInternal);
  CHECK(exited.message == "training failed: trainer exited with status 3");
  CHECK(failure_of({"last-words"}).message ==
        "training failed: trainer exited with status 4; its last words: libtorch.so: cannot open");
  CHECK(failure_of({"dies-at-once"}).message == "preparing data and model failed: trainer exited with status 7");
}

TEST_CASE("after a crash the next training has a fresh trainer") {
  TrainerProcess trainer(rogue({"segfault"}));
  Vectors vectors;
  for (int attempt = 0; attempt < 2; ++attempt) {
    CHECK(train_once(trainer, vectors).error().code == ErrorCode::kUnavailable);
    CHECK(trainer.pid() == -1);
  }
}

TEST_CASE("a trainer that eats memory is killed at its limit, and the limit is named") {
  auto config = rogue({"eat-memory"});
  config.memory_limit_bytes = std::uint64_t{200} << 20;
  TrainerProcess trainer(config);
  Vectors vectors;
  const auto trained = train_once(trainer, vectors);
  REQUIRE_FALSE(trained.has_value());
  CHECK(trained.error().code == ErrorCode::kResourceExhausted);
  CHECK_THAT(trained.error().message, Catch::StartsWith("training failed: the trainer used "));
  CHECK_THAT(trained.error().message, Catch::EndsWith("its limit is 200 MiB"));
}

TEST_CASE("a trainer that breaks the protocol is ended: data loss") {
  const auto [mode, word] = GENERATE(table<std::string, std::string>({
      {"garbage", "not JSON"},
      {"oversized", "bytes"},
      {"half", "exited"},
      {"close-socket", "closed its socket"},
      {"foreign-answer", "of another kind than expected"},
      {"not-a-number", "not JSON"},
      {"descriptors", "descriptors"},
      {"too-many-epochs", "3 epochs"},
      {"wrong-classes", "3 classes"},
      {"no-hello", "hello"},
      {"old-version", "version 7"},
  }));
  CAPTURE(mode);
  TrainerProcess trainer(rogue({mode}));
  Vectors vectors;
  const auto trained = train_once(trainer, vectors);
  REQUIRE_FALSE(trained.has_value());
  CHECK(trained.error().code == (mode == "half" ? ErrorCode::kInternal : ErrorCode::kDataLoss));
  CHECK_THAT(trained.error().message, Catch::Contains(word));
  CHECK(trainer.pid() == -1);
}

TEST_CASE("a trainer that talks between requests is ended at the next one") {
  TrainerProcess trainer(rogue({"talkative"}));
  Vectors vectors;
  REQUIRE(train_once(trainer, vectors).has_value());
  const auto again = trainer.train(train_request(), vectors.global, vectors.delta, {}, {});
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().code == ErrorCode::kDataLoss);
  CHECK(trainer.pid() == -1);
}

TEST_CASE("what a trainer says of data or model is passed on, and the trainer lives") {
  TrainerProcess trainer(rogue({"no-such-data"}));
  const auto prepared = trainer.prepare(prepare_request(), {});
  REQUIRE_FALSE(prepared.has_value());
  CHECK(prepared.error().code == ErrorCode::kInvalidArgument);
  CHECK(prepared.error().message == "preparing data and model failed: no such file");
  CHECK(trainer.pid() > 0);
}

TEST_CASE("a delta of NaN passes the conversation: the encoding refuses it") {
  TrainerProcess trainer(rogue({"nan-delta"}));
  Vectors vectors;
  REQUIRE(train_once(trainer, vectors).has_value());
  CHECK(std::isnan(vectors.delta.floats()[0]));
}
