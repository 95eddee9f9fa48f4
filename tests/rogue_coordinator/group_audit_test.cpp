// The audit's first program against mode `masked`: a coordinator asks for one job's sums again and again, each time
// changing something that the old protocol left to it, and computes single sites from the sums.
#include <cmath>
#include <cstring>

#include "common/job/job_text.h"
#include "common/model/model_parameters.h"
#include "tests/catch.h"
#include "tests/rogue_coordinator/group_stage.h"

namespace consilium::rogue {
namespace {

using wire::JobAnswer;
using wire::JobConsent;

/// What an attacker computed about one site: its number of examples, and its update times a known factor.
struct Recovered {
  double examples = 0;
  std::vector<double> update;
};

/// Sums of one function of the sites' data, by the N that the coordinator stated for each.
using SumsByN = std::map<std::uint64_t, std::vector<double>>;

/// Separates the sites from sums of min(1, n_i / N) delta_i. N times the sum is piecewise linear in N, and bends at
/// each n_i by that site's update. Finds nothing without sums for three neighbouring N.
std::vector<Recovered> separate(const SumsByN& sums, double tolerance) {
  std::vector<Recovered> found;
  for (const auto& [n, middle] : sums) {
    const auto before = sums.find(n - 1);
    const auto after = sums.find(n + 1);
    if (before == sums.end() || after == sums.end()) continue;
    Recovered site{static_cast<double>(n), {}};
    bool bends = false;
    for (std::size_t i = 0; i < middle.size(); ++i) {
      const double bend = 2.0 * static_cast<double>(n) * middle[i] - static_cast<double>(n - 1) * before->second[i] -
                          static_cast<double>(n + 1) * after->second[i];
      bends = bends || std::abs(bend) > tolerance;
      site.update.push_back(bend);
    }
    if (bends) found.push_back(std::move(site));
  }
  return found;
}

double distance(const std::vector<double>& one, const std::vector<double>& other) {
  double sum = 0;
  for (std::size_t i = 0; i < one.size(); ++i) sum += std::abs(one[i] - other[i]);
  return sum;
}

/// The parameters' words of a sum, as signed numbers.
std::vector<double> parameters_of(const Words& words, const job::RoundOrder& order) {
  std::vector<double> values;
  for (const encoding::Field& field : order.layout.fields()) {
    if (!field.name.starts_with(encoding::kParametersPrefix)) continue;
    for (const std::uint32_t word : std::span(words).subspan(field.offset, field.words()))
      values.push_back(static_cast<std::int32_t>(word));
  }
  return values;
}

TEST_CASE("the audit's attack reads every site where the coordinator names the divisor of the weights") {
  // The attack itself has to work. Otherwise its failure below would prove nothing.
  const std::map<std::uint64_t, std::vector<double>> sites{
      {7, {0.25, -1.5, 3}}, {12, {-2, 0.125, 1}}, {20, {1, 1, -0.75}}, {33, {0.5, 2, 0.0625}}};
  SumsByN sums;
  for (std::uint64_t n = 1; n <= 40; ++n) {
    std::vector<double> sum(3);
    for (const auto& [examples, update] : sites) {
      const double weight = std::min(1.0, static_cast<double>(examples) / static_cast<double>(n));
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += std::round(weight * update[i] * (1 << 26)) / (1 << 26);
    }
    sums[n] = std::move(sum);
  }
  const std::vector<Recovered> found = separate(sums, 1e-4);
  REQUIRE(found.size() == sites.size());
  for (const Recovered& site : found)
    CHECK(distance(site.update, sites.at(static_cast<std::uint64_t>(site.examples))) < 1e-5);
}

/// Returns the orders of round 1 that the coordinator would like: the job's own with one thing changed, in several
/// steps.
std::vector<job::RoundOrder> wanted(Stage& stage, const GroupJob& job, const std::string& what) {
  std::vector<job::RoundOrder> orders;
  for (std::uint64_t step = 1; step <= 8; ++step) {
    job::RoundOrder order = job.order(job.key(SumKind::kTrain, 1, static_cast<std::uint32_t>(step)), job.own_group());
    if (what == "N") order.normaliser = step;
    if (what == "batch size") order.batch_size += static_cast<std::uint32_t>(step);
    if (what == "learning rate") order.optimizer.learning_rate = std::pow(10.0, -4.0 * static_cast<double>(step));
    if (what == "clip") {
      job::JobSpec other = job.job();
      other.privacy.clip = std::pow(2.0, -static_cast<double>(step));
      order.layout =
          job::expected_order(other, job.key(SumKind::kTrain, 1), 0, job.model, job.own_group()).value().layout;
    }
    if (what == "model") {
      const ParameterVector weights = model::initial_weights(job.job().model, job.job().seed).value();
      std::vector<std::uint32_t> bits(weights.size());
      std::memcpy(bits.data(), weights.data(), bits.size() * sizeof(bits[0]));
      bits[step] ^= 1;
      order.model = stage.put(std::as_bytes(std::span(bits)));
    }
    orders.push_back(std::move(order));
  }
  return orders;
}

TEST_CASE("mode masked: the audit's attack by one job under many ids is no better than a guess") {
  Stage stage(one_group());
  GroupJob job(stage, stage.job());
  job.begin();
  const std::string what = GENERATE(as<std::string>(), "N", "batch size", "learning rate", "clip", "model");
  INFO(what);
  const std::size_t given = stage.uploads().size();

  SumsByN sums;
  for (const job::RoundOrder& order : wanted(stage, job, what)) {
    // Under the job's own id, with sites that cooperate.
    GroupAttempt attempt(job, SumKind::kTrain, 1, order.attempt);
    if (attempt.offer(order)) {
      attempt.list();
      sums[order.normaliser] = parameters_of(attempt.sum().words, order);
    }
    // Under an id of its own.
    const std::string id = "rogue-" + std::to_string(order.attempt + 1);
    const wire::JobOffer again{id, job::canonical_text(job.job()), Stage::sign(stage.ada(), job.digest())};
    CHECK(stage.answer_to(again) == JobAnswer{id, JobConsent::kDeclined, "job_id"});
    const job::SessionKey key{id, SumKind::kTrain, 1, order.attempt};
    stage.expect_upload(key, order.layout.word_count() + 2);
    stage.send(wire::SessionOffer{key, job::encode(order), stage.model_bytes()});
    CHECK(stage.refusal(key).has_value());
  }

  // The only sum that the job gives, and north's part in it, which only the test can separate from the others'.
  const GroupAttempt honest(job, SumKind::kTrain, 1, 20);
  const GroupSum sum = job.run(SumKind::kTrain, 1, 20).at(0);
  const std::vector<double> truth = parameters_of(GroupAttempt::hidden(job, honest.order(), sum), honest.order());
  sums[honest.order().normaliser] = parameters_of(sum.words, honest.order());
  std::vector<double> guess = parameters_of(sum.words, honest.order());
  for (double& value : guess) value /= static_cast<double>(job.groups()[job.own_group()].size());

  double best = distance(guess, truth);
  CHECK(best > 0);
  for (const Recovered& site : separate(sums, 1.0)) best = std::min(best, distance(site.update, truth));
  CHECK(best == distance(guess, truth));
  CHECK(sums.size() == 1);
  CHECK(stage.uploads().size() == given + 1);
  for (const auto& [session, words] : stage.uploads()) CHECK_FALSE(looks_plain(words));
}

}  // namespace
}  // namespace consilium::rogue
