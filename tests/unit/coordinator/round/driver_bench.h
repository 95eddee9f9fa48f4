#pragma once

#include <unistd.h>

#include <map>
#include <optional>

#include "common/encoding/fixed_point.h"
#include "common/model/model_parameters.h"
#include "common/task/classification.h"
#include "common/task/score_histogram.h"
#include "coordinator/journal/memory_journal.h"
#include "coordinator/round/job_driver.h"
#include "tests/catch.h"

namespace consilium::round {

inline constexpr std::uint64_t kClasses = 2;

inline job::JobSpec some_job() {
  job::JobSpec spec;
  spec.name = "tiny";
  model::Linear linear;
  linear.out_features = kClasses;
  spec.model.layers = {linear};
  spec.model.input = {3};
  spec.model.classes = kClasses;
  spec.data.dataset = "tiny";
  spec.training.optimizer.learning_rate = 0.1;
  spec.federation.rounds = 3;
  spec.federation.sites = {"a", "b", "c", "d"};
  spec.federation.minimum_sites = 3;
  spec.federation.quorum = 0.75;
  spec.federation.deadline = std::chrono::minutes(1);
  spec.privacy.secure_aggregation = job::SecureAggregation::kOff;
  spec.evaluation.every = 1;
  return spec;
}

/// Words that end early.
class BrokenWords final : public WordSource {
 public:
  explicit BrokenWords(std::uint64_t claimed) : claimed_(claimed) {}
  [[nodiscard]] std::uint64_t word_count() const override { return claimed_; }
  Result<void> read(std::span<std::uint32_t>) override {
    return fail(ErrorCode::kDataLoss, "the spool file ends early");
  }

 private:
  std::uint64_t claimed_;
};

/// Delivers the first half of a vector.
class HalfWords final : public WordSource {
 public:
  explicit HalfWords(const std::vector<std::uint32_t>& words)
      : all_(words.size()), first_(std::span(words).first(words.size() / 2 + 8000)) {}
  [[nodiscard]] std::uint64_t word_count() const override { return all_; }
  Result<void> read(std::span<std::uint32_t> words) override { return first_.read(words); }

 private:
  std::uint64_t all_;
  aggregation::MemoryWords first_;
};

class RefusingJournal final : public journal::Journal {
 public:
  explicit RefusingJournal(std::uint64_t from) : from_(from) {}
  Result<void> append(const journal::Entry& entry) override {
    if (entry.effect_id >= from_) return fail(ErrorCode::kResourceExhausted, "disk full");
    return {};
  }

 private:
  std::uint64_t from_;
};

/// A driver, and the other side of its gateway, which keeps the sent messages until the test answers.
struct Bench : SiteGateway {
  job::JobSpec spec;
  std::filesystem::path folder;
  std::optional<journal::BlobStore> blobs;
  journal::MemoryJournal memory_journal;
  ParameterVector initial;
  crypto::Digest initial_digest{};
  std::unique_ptr<JobDriver> driver;
  TimePoint now{std::chrono::hours(1)};
  std::map<std::string, std::vector<wire::CoordinatorMessage>> sent;
  std::map<std::string, std::uint64_t> examples = {{"a", 10}, {"b", 20}, {"c", 30}, {"d", 40}};
  int changes = 0;

  explicit Bench(job::JobSpec job = some_job(), journal::Journal* journal = nullptr,
                 std::shared_ptr<const secagg::Authenticator> authenticator = nullptr)
      : spec(std::move(job)) {
    std::string name = (std::filesystem::temp_directory_path() / "consilium-driver-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder = name;
    blobs = journal::BlobStore::open(folder).value();
    initial = model::initial_weights(spec.model, spec.seed).value();
    initial_digest = blobs->put(std::as_bytes(std::span(initial))).value();
    JobDriver::Parts parts{*this, journal != nullptr ? *journal : memory_journal, *blobs, [this] { ++changes; },
                           std::move(authenticator)};
    parts.simulated = job::sums_whole_groups(spec) && !parts.authenticator;
    driver = JobDriver::create("tiny-1", job::JobSignature{"spiffe://lung/coordinator/hub", 1, "alice", {}}, spec,
                               initial_digest, std::move(parts))
                 .value();
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
  ~Bench() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }

  void send(const std::string& site, wire::CoordinatorMessage message) override {
    sent[site].push_back(std::move(message));
  }

  void start() {
    driver->begin(now);
    for (const auto& [site, count] : examples) driver->site_connected(site, now);
    for (const auto& [site, count] : examples)
      driver->job_answer(site, {"tiny-1", wire::JobConsent::kAccepted, ""}, now);
  }

  /// Returns the last session offered to a site.
  [[nodiscard]] wire::SessionOffer offer(const std::string& site) const {
    const auto& messages = sent.at(site);
    for (auto message = messages.rbegin(); message != messages.rend(); ++message) {
      if (const auto* offer = std::get_if<wire::SessionOffer>(&*message)) return *offer;
    }
    FAIL("no session was offered to " << site);
    return {};
  }
  [[nodiscard]] job::RoundOrder order(const std::string& site) const {
    return job::decode_round_order(offer(site).order).value();
  }

  [[nodiscard]] std::vector<float> model(const crypto::Digest& digest) const {
    std::vector<float> floats(initial.size());
    REQUIRE(blobs->read(digest, 0, std::as_writable_bytes(std::span(floats))).value() == floats.size() * 4);
    return floats;
  }

  Result<void> upload(const std::string& site, const std::vector<std::uint32_t>& words) {
    aggregation::MemoryWords source(words);
    return driver->vector_received(site, offer(site).key, source, now);
  }

  static void put_count(const job::RoundOrder& order, std::string_view name, const std::vector<std::uint64_t>& values,
                        std::vector<std::uint32_t>& words) {
    const auto* field = order.layout.find(name);
    REQUIRE(field != nullptr);
    REQUIRE(
        encoding::encode_counts(values, *field, std::span(words).subspan(field->offset, field->words())).has_value());
  }

  /// Returns what an honest site sends: its counts, or `delta` of its own.
  std::vector<std::uint32_t> words_of(const std::string& site) const {
    const job::RoundOrder order = this->order(site);
    std::vector<std::uint32_t> words(order.layout.word_count());
    const std::uint64_t n = examples.at(site);
    switch (order.kind) {
      case job::SumKind::kCensus:
        put_count(order, encoding::kExamples, {n, 4, 4}, words);
        put_count(order, encoding::kClassExamples, {n / 2, n - n / 2}, words);
        break;
      case job::SumKind::kTrain: {
        const double weight = static_cast<double>(n) / static_cast<double>(order.normaliser);
        const auto deltas = delta(site, order.round);
        const auto* field = order.layout.find("parameters.0");
        REQUIRE(
            encoding::encode_fixed_point(deltas, *field, weight, std::span(words).first(deltas.size())).has_value());
        const float loss = static_cast<float>(n);
        const auto* loss_field = order.layout.find(encoding::kLoss);
        REQUIRE(encoding::encode_fixed_point(std::span(&loss, 1), *loss_field, weight,
                                             std::span(words).subspan(loss_field->offset, 1))
                    .has_value());
        put_count(order, encoding::kClipped, {n}, words);
        if (order.layout.find(encoding::kExamples) != nullptr) put_count(order, encoding::kExamples, {n}, words);
        break;
      }
      case job::SumKind::kEvaluate: {
        // Four examples, two of each class; one of them predicted incorrectly at site "a".
        const std::uint64_t wrong = site == "a" ? 1 : 0;
        put_count(order, encoding::kExamples, {4}, words);
        put_count(order, encoding::kLoss, {4 * 1048576 / 2}, words);
        put_count(order, task::kConfusion, {2 - wrong, wrong, 0, 2}, words);
        std::vector<std::uint64_t> positives(kClasses * task::kScoreBins), negatives(kClasses * task::kScoreBins);
        for (std::size_t c = 0; c < kClasses; ++c) {
          positives[c * task::kScoreBins + 900] = 2;
          negatives[c * task::kScoreBins + 100] = 2;
        }
        put_count(order, task::kPositives, positives, words);
        put_count(order, task::kNegatives, negatives, words);
        break;
      }
    }
    return words;
  }

  std::vector<float> delta(const std::string& site, std::uint32_t round) const {
    std::vector<float> values(initial.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] =
          static_cast<float>(examples.at(site)) / 40.0f + static_cast<float>(i) * 0.125f + static_cast<float>(round);
    }
    return values;
  }

  /// Lets every site in the open session answer honestly.
  void complete(const std::vector<std::string>& sites) {
    for (const auto& site : sites) REQUIRE(upload(site, words_of(site)).has_value());
  }

  [[nodiscard]] std::vector<std::string> outcomes(const std::string& site) const {
    std::vector<std::string> found;
    for (const auto& message : sent.at(site)) {
      if (const auto* ended = std::get_if<wire::JobEnded>(&message)) found.push_back(ended->outcome);
    }
    return found;
  }
};

inline const std::vector<std::string> kAll = {"a", "b", "c", "d"};

}  // namespace consilium::round
