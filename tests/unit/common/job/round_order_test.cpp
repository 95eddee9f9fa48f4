#include "common/job/round_order.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "common/job/job_text.h"
#include "common/model/model_parameters.h"
#include "tests/catch.h"
#include "tests/unit/common/job/job_fixtures.h"

namespace consilium::job {
namespace {

JobSpec small_job() { return *parse_job(kSmallJob, "job.yaml"); }

RoundOrder small_order(SumKind kind) {
  const SessionKey key{"small-1", kind, kind == SumKind::kCensus ? 0U : 6U, 2};
  const auto order = expected_order(small_job(), key, kind == SumKind::kCensus ? 0 : 1000, crypto::sha256("model"));
  REQUIRE(order);
  return *order;
}

TEST_CASE("a training order follows from the job, the round and the census") {
  const RoundOrder order = small_order(SumKind::kTrain);
  const JobSpec job = small_job();
  CHECK(order.kind == SumKind::kTrain);
  CHECK(order.round == 6);
  CHECK(order.attempt == 2);
  CHECK(order.job == job_digest(job));
  CHECK(order.model == crypto::sha256("model"));
  CHECK(order.seed == 7);
  CHECK(order.normaliser == 1000);
  CHECK(order.local_epochs == 2);
  CHECK(order.batch_size == 10);
  CHECK(order.optimizer.learning_rate == 0.005);
  CHECK(order.optimizer.momentum == 0.9);
  CHECK(order.proximal_mu == 1.0);
  CHECK(order.time_limit_ms == 600'000);
  CHECK(order.keep_partial);
  CHECK(order.weighting == Weighting::kCohort);
  const auto manifest = model::build_manifest(job.model);
  REQUIRE(manifest);
  CHECK(order.layout == *encoding::train_layout(*manifest, 16.0, 1024.0, {.examples = true}));
}

TEST_CASE("FedAvg drops partial work, and masked jobs carry no counts beside the update") {
  JobSpec job = small_job();
  job.strategy = StrategySpec{};
  job.privacy.secure_aggregation = SecureAggregation::kRequired;
  job.training.time_limit.reset();
  const auto order = expected_order(job, {"j", SumKind::kTrain, 1, 1}, 10, {});
  REQUIRE(order);
  CHECK_FALSE(order->keep_partial);
  CHECK(order->proximal_mu == 0.0);
  CHECK(order->time_limit_ms == 0);
  CHECK(order->layout == *encoding::train_layout(*model::build_manifest(job.model), 16.0, 1024.0, {.examples = false}));
}

TEST_CASE("census and evaluation orders hold nothing of training") {
  const RoundOrder census = small_order(SumKind::kCensus);
  CHECK(census.layout == *task::census_layout(*task::make_task({}, 4).value()));
  CHECK(census.model == crypto::Digest{});
  CHECK(census.local_epochs == 0);
  const RoundOrder evaluation = small_order(SumKind::kEvaluate);
  CHECK(evaluation.layout == *task::evaluate_layout(*task::make_task({}, 4).value()));
  CHECK(evaluation.split == Split::kTest);
  CHECK(evaluation.optimizer == OptimizerSpec{});
  CHECK(evaluation.weighting == Weighting::kCohort);
}

TEST_CASE("counts are ordered for one group of the job, training for none") {
  JobSpec job = small_job();
  const auto order = [&](SumKind kind, std::uint32_t group) {
    const SessionKey key{"small-1", kind, kind == SumKind::kCensus ? 0U : 1U, 1};
    return expected_order(job, key, kind == SumKind::kCensus ? 0 : 10, {}, group);
  };
  CHECK(order(SumKind::kCensus, 1).error().message == "small-1 census 0.1: found count group 1; expected 0 to 0");
  job.federation.count_groups = {{"a"}, {"b"}, {"c"}};
  for (const SumKind kind : {SumKind::kCensus, SumKind::kEvaluate}) {
    const auto second = order(kind, 1);
    REQUIRE(second);
    CHECK(second->group == 1);
    CHECK(decode_round_order(encode(*second)) == *second);
    CHECK(order_digest(encode(*second)) != order_digest(encode(*order(kind, 2))));
    CHECK_FALSE(order(kind, 3));
  }
  CHECK(order(SumKind::kTrain, 1).error().message == "small-1 train 1.1: found count group 1; expected 0 to 0");
  REQUIRE(order(SumKind::kTrain, 0));
  CHECK(order(SumKind::kTrain, 0)->group == 0);
}

TEST_CASE("an order for a group that no job has is refused") {
  for (const SumKind kind : {SumKind::kCensus, SumKind::kTrain}) {
    RoundOrder order = small_order(kind);
    order.group = 84;
    CHECK(decode_round_order(encode(order)) == order);
    order.group = 85;
    CHECK(decode_round_order(encode(order)).error().message == "round order: group: expected 0 to 84, found 85");
  }
}

TEST_CASE("an order has the census's label counts where class weights are balanced, and nowhere else") {
  JobSpec job = small_job();
  const task::LabelCounts labels{1000, {400, 300, 200, 100}};
  const auto order = [&](SumKind kind, const task::LabelCounts& told) {
    const bool census = kind == SumKind::kCensus;
    return expected_order(job, {"small-1", kind, census ? 0U : 1U, 1}, census ? 0 : 1000, {}, 0, told);
  };
  CHECK(order(SumKind::kTrain, labels)->labels.empty());
  job.training.loss.balanced = true;
  for (const SumKind kind : {SumKind::kTrain, SumKind::kEvaluate}) {
    const auto made = order(kind, labels);
    REQUIRE(made);
    CHECK(made->labels == labels);
    CHECK(decode_round_order(encode(*made)) == *made);
    CHECK_THAT(order(kind, {}).error().message, Catch::Contains("label counts"));
    CHECK_THAT(order(kind, {1000, {400, 300}}).error().message, Catch::Contains("label counts"));
    RoundOrder wrong = *made;
    wrong.labels.classes[1] = 1001;
    CHECK_THAT(decode_round_order(encode(wrong)).error().message, Catch::Contains("label count"));
    wrong.labels = {5, std::vector<std::uint64_t>(1001, 1)};
    CHECK_THAT(decode_round_order(encode(wrong)).error().message, Catch::Contains("number of label counts"));
  }
  RoundOrder census = order(SumKind::kCensus, labels).value();
  CHECK(census.labels.empty());
  CHECK(expected_layout(job, {"small-1", SumKind::kCensus, 0, 1}).value() == census.layout);
  CHECK_FALSE(expected_layout(job, {"small-1", SumKind::kTrain, 21, 1}));
  census.labels = labels;
  CHECK_THAT(decode_round_order(encode(census)).error().message,
             Catch::Contains("the label counts are not known before the census"));
}

TEST_CASE("sessions that a job does not have are refused, and the error names them") {
  const JobSpec job = small_job();
  const auto refused = [&](SumKind kind, std::uint32_t round, std::uint32_t attempt, std::uint64_t normaliser) {
    const auto order = expected_order(job, {"small-1", kind, round, attempt}, normaliser, {});
    return order ? "" : order.error().message;
  };
  CHECK(refused(SumKind::kTrain, 0, 1, 10) == "small-1 train 0.1: expected a round from 1 to 20");
  CHECK(refused(SumKind::kTrain, 21, 1, 10) != "");
  CHECK(refused(SumKind::kTrain, 1, 0, 10) != "");
  CHECK(refused(SumKind::kTrain, 1, 1, 0) != "");
  CHECK(refused(SumKind::kEvaluate, 21, 1, 10) != "");
  CHECK(refused(SumKind::kEvaluate, 0, 1, 10) == "");
  CHECK(refused(SumKind::kCensus, 0, 1, 10) != "");
  CHECK(refused(SumKind::kCensus, 21, 1, 0) != "");
  CHECK(refused(static_cast<SumKind>(9), 1, 1, 1) != "");
}

TEST_CASE("an order reads back to itself and its digest changes with every field") {
  for (const SumKind kind : {SumKind::kCensus, SumKind::kTrain, SumKind::kEvaluate}) {
    const RoundOrder order = small_order(kind);
    const auto bytes = encode(order);
    const auto again = decode_round_order(bytes);
    INFO((again ? "" : again.error().message));
    REQUIRE(again);
    CHECK(*again == order);
    CHECK(encode(*again) == bytes);
    RoundOrder other = order;
    other.seed ^= 1;
    CHECK(order_digest(encode(other)) != order_digest(bytes));
    CHECK(order_digest(bytes) != crypto::sha256(bytes));
  }
}

TEST_CASE("the order of every example job reads back to itself") {
  for (const char* file : {"synthetic", "chest-xray", "fashion"}) {
    const auto job = read_job(CONSILIUM_SOURCE_DIR "/examples/" + std::string(file) + ".yaml");
    REQUIRE(job);
    for (std::uint32_t round = 1; round <= job->federation.rounds; ++round) {
      const auto order = expected_order(*job, {"j", SumKind::kTrain, round, 1}, 1000, crypto::sha256("m"));
      REQUIRE(order);
      CHECK(decode_round_order(encode(*order)) == *order);
    }
  }
}

TEST_CASE("every cut of an order is refused") {
  for (const SumKind kind : {SumKind::kCensus, SumKind::kTrain, SumKind::kEvaluate}) {
    const auto bytes = encode(small_order(kind));
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      const auto order = decode_round_order(std::span(bytes).first(length));
      REQUIRE_FALSE(order);
      CHECK(order.error().message.starts_with("round order: "));
    }
    auto longer = bytes;
    longer.push_back(std::byte{0});
    CHECK(decode_round_order(longer).error().message == "round order: 1 bytes too many");
  }
}

TEST_CASE("every single-byte change of an order is refused or encodes to the same bytes again") {
  const SumKind kind = GENERATE(SumKind::kCensus, SumKind::kTrain, SumKind::kEvaluate);
  const auto bytes = encode(small_order(kind));
  std::size_t accepted = 0, refused = 0, differ = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (unsigned value = 0; value < 256; ++value) {
      auto changed = bytes;
      changed[i] = static_cast<std::byte>(value);
      const auto order = decode_round_order(changed);
      order ? ++accepted : ++refused;
      if (order && encode(*order) != changed) ++differ;
    }
  }
  CHECK(differ == 0);
  CHECK(accepted > 0);
  CHECK(refused > 0);
}

TEST_CASE("numbers that no job can give are refused in an order") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double wrong : {nan, infinity, -infinity, -1.0, -0.0}) {
    for (double OptimizerSpec::*field :
         {&OptimizerSpec::learning_rate, &OptimizerSpec::momentum, &OptimizerSpec::weight_decay, &OptimizerSpec::beta1,
          &OptimizerSpec::beta2, &OptimizerSpec::epsilon}) {
      RoundOrder order = small_order(SumKind::kTrain);
      order.optimizer.*field = wrong;
      CHECK_FALSE(decode_round_order(encode(order)));
    }
    RoundOrder order = small_order(SumKind::kTrain);
    order.proximal_mu = wrong;
    CHECK_FALSE(decode_round_order(encode(order)));
  }
}

TEST_CASE("an order that lies about its number of fields costs nothing") {
  auto bytes = encode(small_order(SumKind::kCensus));
  const std::size_t count_at = 4 + 1 + 4 + 4 + 4 + 32 + 32 + 8 + 8 + 4;
  for (std::size_t i = 0; i < 3; ++i) bytes[count_at + i] = std::byte{0x0F};
  CHECK(decode_round_order(bytes).error().message == "round order: ends too early");
  auto labels = encode(small_order(SumKind::kTrain));
  labels[count_at - 3] = std::byte{3};  // 768 label counts, more than the remaining bytes can hold
  CHECK(decode_round_order(std::span(labels).first(count_at + 300)).error().message == "round order: ends too early");
  CHECK(decode_round_order(std::vector<std::byte>(kMaxOrderBytes + 1)).error().code == ErrorCode::kResourceExhausted);
}

TEST_CASE("a session's name says job, kind, round and attempt") {
  CHECK(to_string(SessionKey{"chest-xray-1", SumKind::kTrain, 3, 1}) == "chest-xray-1 train 3.1");
}

}  // namespace
}  // namespace consilium::job
