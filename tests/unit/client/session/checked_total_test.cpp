#include "client/session/checked_total.h"

#include <algorithm>
#include <cmath>

#include "common/encoding/fixed_point.h"
#include "common/job/cohort_rules.h"
#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/secagg/sum_keys.h"
#include "common/secagg/tag.h"
#include "tests/catch.h"

namespace consilium::session {
namespace {

using Words = std::vector<std::uint32_t>;

/// Every parameter of the last committed model.
constexpr float kLast = 0.1F;

job::JobSpec job_of_two_groups(const std::string& model = "{layers: [{linear: 2}], input: [4], classes: 2}") {
  const auto parsed =
      job::parse_job("name: points\nmodel: " + model +
                         "\ndata: {dataset: points}\n"
                         "training: {local_epochs: 1, batch_size: 5, optimizer: {name: sgd, learning_rate: 0.1}}\n"
                         "federation: {rounds: 2}\nseed: 3\n",
                     "job.yaml");
  REQUIRE(parsed);
  const std::vector<std::vector<std::string>> groups{{"a", "b", "c"}, {"d", "e", "f"}};
  const auto spec = job::with_population(*parsed, job::simulated_roster({"a", "b", "c", "d", "e", "f"}), 1,
                                         {"points", 10, groups, {}});
  if (!spec) FAIL(spec.error().message);
  return *spec;
}

/// Returns a round's true total over both groups, whose sites have sent these words and tags.
struct Round {
  job::JobSpec job;
  crypto::Digest digest = job::job_digest(job);
  crypto::SecretBytes key = crypto::SecretBytes::copy_of(std::vector<std::uint8_t>(secagg::kSumKeyBytes, 7)).value();
  wire::GroupTotal total;
  Words words;
  mutable ParameterVector last;  ///< the last model, once check() has requested it

  explicit Round(job::JobSpec spec = job_of_two_groups()) : job(std::move(spec)) {
    total.key = {"job-1", job::SumKind::kTrain, 1, 1};
    const auto layout = job::expected_order(job, total.key, 0, {}, 0)->layout;
    total.words = layout.word_count();
    total.total = crypto::sha256("the words");
    words.resize(total.words);
    for (std::uint32_t group = 0; group < 2; ++group) {
      wire::IncludedSum sum{group, crypto::sha256(std::string(1, static_cast<char>('0' + group))), 0};
      const auto r = secagg::tag_key(key, job::SumKind::kTrain, 1);
      const auto offset = secagg::tag_offset(key, job::SumKind::kTrain, 1, group, sum.cohort);
      for (std::uint32_t site = 0; site < 3; ++site) {
        const Words vector = vector_of(layout, site + 3 * group);
        encoding::add_words(vector, words);
        sum.tag = secagg::field_add(sum.tag,
                                    secagg::masked_tag(*offset, secagg::accumulate_tag(*r, vector).value(), 0).value());
      }
      total.sums.push_back(sum);
    }
  }

  /// Returns small numbers everywhere, one example, and nothing unusable.
  static Words vector_of(const encoding::VectorLayout& layout, std::uint32_t site) {
    Words vector(layout.word_count());
    for (std::uint32_t i = 0; i < vector.size(); ++i) vector[i] = 100 * site + i;
    const auto set = [&](std::string_view name, std::uint32_t low) {
      const encoding::Field* field = layout.find(name);
      REQUIRE(field != nullptr);
      std::fill_n(vector.begin() + static_cast<std::ptrdiff_t>(field->offset), field->words(), 0U);
      vector[field->offset] = low;
    };
    set(encoding::kUnusable, 0);
    set(encoding::kExamples, 1);
    return vector;
  }

  [[nodiscard]] Result<CheckedTotal> check() const {
    auto room = room_for_total(total, job);
    if (!room) return fail(room.error());
    std::ranges::copy(words, room->masked_words().begin());
    return check_total(total, *std::move(room), job, digest, key,
                       [&](std::size_t parameters) -> Result<std::span<const float>> {
                         last.assign(parameters, kLast);
                         return std::span<const float>(last);
                       });
  }
  [[nodiscard]] Result<void> included(std::uint32_t own, const crypto::Digest& sent) const {
    const std::vector<std::uint32_t> counted{0, 1};
    return check_included(total, job, own, counted,
                          [&](const crypto::Digest& cohort) -> Result<bool> { return cohort == sent; });
  }
};

TEST_CASE("a true total gives the next model, and a statement about exactly its groups") {
  const Round round;
  const auto checked = round.check();
  if (!checked) FAIL(checked.error().message);
  CHECK(checked->model.size() == 10);
  CHECK(std::ranges::any_of(checked->model, [](float value) { return value != kLast && std::isfinite(value); }));
  CHECK(checked->statement.job == round.digest);
  CHECK(checked->statement.kind == job::SumKind::kTrain);
  CHECK(checked->statement.round == 1);
  CHECK(checked->statement.model == crypto::sha256(std::as_bytes(checked->model)));
  REQUIRE(checked->statement.groups.size() == 2);
  CHECK(checked->statement.groups[1].cohort == round.total.sums[1].cohort);
}

TEST_CASE("what the job freezes is in no total, and stays bit for bit in the next model") {
  const std::string layers = "{layers: [{linear: 3}, relu, {linear: 2}], input: [4], classes: 2";
  const Round all(job_of_two_groups(layers + "}"));
  const Round round(job_of_two_groups(layers + ", frozen: [\"0\"]}"));
  CHECK(round.digest != all.digest);
  CHECK(round.words.size() + 15 == all.words.size());  // the frozen layer's 3 x 4 weights and 3 biases
  const auto checked = round.check();
  if (!checked) FAIL(checked.error().message);
  REQUIRE(checked->model.size() == 15 + 8);
  for (std::size_t i = 0; i < 15; ++i) CHECK(checked->model[i] == kLast);
  for (std::size_t i = 15; i < checked->model.size(); ++i) CHECK(checked->model[i] != kLast);
  // A total that includes the frozen layer's words belongs to another job.
  Round longer(job_of_two_groups(layers + ", frozen: [\"0\"]}"));
  longer.total.words = all.words.size();
  longer.words = all.words;
  CHECK(longer.check().error().code == ErrorCode::kDataLoss);
}

TEST_CASE("a total whose words or tags were changed isn't the true sum") {
  Round round;
  SECTION("one word") { round.words[3] ^= 1; }
  SECTION("a group's tag") { round.total.sums[0].tag ^= 1; }
  SECTION("a group left out") { round.total.sums.pop_back(); }
  SECTION("one group's tag in the place of the other's") { round.total.sums[1].tag = round.total.sums[0].tag; }
  SECTION("another cohort") { round.total.sums[1].cohort[0] ^= 1; }
  SECTION("another round") { round.total.key.round = 2; }
  const auto checked = round.check();
  REQUIRE_FALSE(checked);
  CHECK(checked.error().code == ErrorCode::kDataLoss);
}

TEST_CASE("a total of another length is refused before anything is read") {
  Round round;
  ++round.total.words;
  CHECK(room_for_total(round.total, round.job).error().code == ErrorCode::kDataLoss);
}

TEST_CASE("a total with an unusable result is void before its tag is looked at") {
  Round round;
  const auto order = job::expected_order(round.job, round.total.key, 0, {}, 0);
  ++round.words[order->layout.find(encoding::kUnusable)->offset];
  CHECK(round.check().error().code == ErrorCode::kFailedPrecondition);
}

TEST_CASE("a total counts a site's group only under an attempt in which the site sent its vector") {
  Round round;
  CHECK(round.included(0, round.total.sums[0].cohort));
  CHECK_FALSE(round.included(0, round.total.sums[1].cohort));
  CHECK(round.included(0, round.total.sums[1].cohort).error().code == ErrorCode::kDataLoss);
  round.total.sums[1].group = 2;
  CHECK_FALSE(round.included(0, round.total.sums[0].cohort));
  round.total.sums.clear();
  CHECK_FALSE(round.included(0, {}));
}

}  // namespace
}  // namespace consilium::session
