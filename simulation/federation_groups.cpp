// The simulated sites' behaviour in mode masked: they agree on a key, mask their vectors with tags, check totals and
// sign.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include "simulation/federation.h"

namespace consilium::simulation {
namespace {

constexpr std::string_view kAgree = "agree";
constexpr std::string_view kAdvertise = "advertise";
constexpr std::string_view kUpload = "upload";
constexpr std::string_view kCheck = "check";
constexpr std::string_view kEndorse = "endorse";

/// A masked vector followed by its tag.
class TaggedWords final : public aggregation::WordSource {
 public:
  TaggedWords(std::span<const std::uint32_t> words, secagg::FieldElement tag)
      : words_(words), tag_{static_cast<std::uint32_t>(tag), static_cast<std::uint32_t>(tag >> 32)}, tag_words_(tag_) {}
  [[nodiscard]] std::uint64_t word_count() const override { return words_.word_count() + tag_.size(); }
  Result<void> read(std::span<std::uint32_t> words) override {
    const std::size_t of_vector = std::min<std::size_t>(words.size(), left_of_vector());
    CONSILIUM_TRY(words_.read(words.first(of_vector)));
    read_ += of_vector;
    return tag_words_.read(words.subspan(of_vector));
  }

 private:
  [[nodiscard]] std::uint64_t left_of_vector() const { return words_.word_count() - read_; }

  aggregation::MemoryWords words_;
  std::array<std::uint32_t, 2> tag_;
  aggregation::MemoryWords tag_words_;
  std::uint64_t read_ = 0;
};

}  // namespace

void Federation::begin_attempt() {
  if (const job::SessionKey& key = sessions_.front().offer.key; key.kind == job::SumKind::kTrain) {
    if (stop_reason_ && key.round > last_round_) return driver_->stop(*stop_reason_, now());
    if (key.round > last_round_) {
      // The driver offers a round to all of its groups in one call, so the whole cohort is here.
      std::vector<std::string> cohort;
      for (const Session& session : sessions_) cohort.push_back(session.site.name);
      plan_.groups->open_round(key.round, cohort);
      last_round_ = key.round;
    }
  }
  const Session session = std::move(sessions_.front());
  sessions_.pop_front();
  const std::string& site = session.site.name;
  const job::SessionKey& key = session.offer.key;
  const auto order = job::decode_round_order(session.offer.order);
  if (!order) return driver_->site_failed(site, key, order.error().message, now());
  if (plan_.groups->falls_silent(site, *order, secagg::Phase::kAdvertising))
    return drop_out(site, key, secagg::Phase::kAdvertising);
  waiting_.push_back({plan_.job, session.site, key, *order, std::nullopt});
  std::uint64_t bytes = 0;
  const auto advertised = count(kAdvertise, 0, [&]() -> Result<void> {
    CONSILIUM_ASSIGN(std::vector<std::byte> advert, plan_.groups->begin(site, key, *order));
    bytes = advert.size();
    driver_->masking_received(site, {key, std::move(advert)}, now());
    return {};
  });
  cost_of(kAdvertise).bytes += bytes;
  if (!advertised) driver_->site_failed(site, key, advertised.error().message, now());
}

void Federation::drop_out(const std::string& site, const job::SessionKey& key, secagg::Phase step) {
  driver_->site_failed(site, key, fmt::format("simulated dropout while {}", secagg::name_of(step)), now());
}

void Federation::answer_message() {
  const std::pair<std::string, GroupMessage> next = std::move(messages_.front());
  messages_.pop_front();
  std::visit([&](const auto& sent) { answer(next.first, sent); }, next.second);
}

void Federation::answer(const std::string& site, const wire::KeyAgreement& step) {
  std::uint64_t bytes = 0;
  const auto agreed = count(kAgree, step.message.size(), [&]() -> Result<void> {
    CONSILIUM_ASSIGN(std::vector<std::byte> message, plan_.groups->agree(site, step));
    bytes = message.size();
    driver_->key_agreement_received(site, {step.job_id, step.attempt, std::move(message)}, now());
    return {};
  });
  cost_of(kAgree).bytes += bytes;
  ++cost_of(kAgree).messages;
  if (!agreed) driver_->stop(fmt::format("{}: key agreement: {}", site, agreed.error().message), now());
}

void Federation::answer(const std::string& site, const wire::Masking& step) {
  const auto taken = count(kAdvertise, step.message.size(), [&] { return plan_.groups->receive(site, step); });
  if (!taken) driver_->site_failed(site, step.key, taken.error().message, now());
}

void Federation::answer(const std::string& site, const wire::GroupTotal& total) {
  auto checked = count(kCheck, total.words * sizeof(std::uint32_t),
                       [&] { return plan_.groups->check(site, total, parts_.blobs); });
  std::uint64_t bytes = 0;
  if (checked) {
    checked = count(kEndorse, 0, [&]() -> Result<void> {
      CONSILIUM_ASSIGN(std::vector<std::byte> commit, plan_.groups->endorse(site));
      bytes = commit.size();
      driver_->endorsement_received(site, {total.key, std::move(commit)}, now());
      return {};
    });
    cost_of(kEndorse).bytes += bytes;
  }
  if (!checked) driver_->site_failed(site, total.key, checked.error().message, now());
}

void Federation::answer(const std::string& site, const wire::RoundCommitted& commit) {
  const auto taken = count(kEndorse, commit.commit.size(), [&] { return plan_.groups->committed(commit); });
  if (!taken) driver_->stop(fmt::format("{}: {}", site, taken.error().message), now());
}

bool Federation::post_next() {
  if (underway_.size() > parts_.pool.workers()) return false;
  const auto next =
      std::ranges::find_if(waiting_, [&](const Task& task) { return plan_.groups->keyed(task.site.name, task.key); });
  if (next == waiting_.end()) return false;
  Task task = std::move(*next);
  waiting_.erase(next);
  auto kept = plan_.groups->kept(task.site.name, task.order);
  if (!kept) {
    driver_->site_failed(task.site.name, task.key, kept.error().message, now());
  } else if (*kept) {
    upload({task.site.name, task.key, Answer{false, **std::move(kept)}});
  } else {
    underway_.emplace(task.site.name, task.key);
    parts_.pool.post(std::move(task));
  }
  return true;
}

/// Masks a finished vector, unless its site drops out instead.
void Federation::upload(Outcome outcome) {
  const std::string& site = outcome.site;
  const job::SessionKey& key = outcome.key;
  std::vector<std::uint32_t>& words = outcome.answer->words;
  const job::RoundOrder* order = plan_.groups->order_of(site, key);
  if (order == nullptr) return;  // its group's attempt is over
  if (const auto kept = plan_.groups->keep(site, *order, words); !kept)
    return driver_->site_failed(site, key, kept.error().message, now());
  if (plan_.groups->falls_silent(site, *order, secagg::Phase::kUploading))
    return drop_out(site, key, secagg::Phase::kUploading);
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  const auto taken = count(kUpload, words.size() * sizeof(std::uint32_t) + secagg::kTagBytes, [&]() -> Result<void> {
    CONSILIUM_ASSIGN(const secagg::FieldElement tag, plan_.groups->mask(site, words, threads));
    TaggedWords tagged(words, tag);
    return driver_->vector_received(site, key, tagged, now());
  });
  if (!taken) driver_->site_failed(site, key, taken.error().message, now());
}

}  // namespace consilium::simulation
