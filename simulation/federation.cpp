#include "simulation/federation.h"

#include <algorithm>
#include <span>
#include <variant>

#include "simulation/stragglers.h"

namespace consilium::simulation {
namespace {

/// A vector in memory, as the driver reads it.
class VectorWords final : public round::WordSource {
 public:
  explicit VectorWords(std::span<const std::uint32_t> words) : words_(words) {}
  [[nodiscard]] std::uint64_t word_count() const override { return words_.size(); }
  Result<void> read(std::span<std::uint32_t> out) override {
    if (out.size() > words_.size() - read_) return fail(ErrorCode::kDataLoss, "the site's vector ends too early");
    std::ranges::copy(words_.subspan(read_, out.size()), out.begin());
    read_ += out.size();
    return {};
  }

 private:
  std::span<const std::uint32_t> words_;
  std::size_t read_ = 0;
};

}  // namespace

Result<std::unique_ptr<Federation>> Federation::create(Plan plan, Parts parts) {
  std::unique_ptr<Federation> federation(new Federation(std::move(plan), std::move(parts)));
  const Plan& kept = federation->plan_;
  round::JobDriver::Parts driver{*federation, federation->parts_.journal, federation->parts_.blobs,
                                 federation->parts_.changed};
  driver.simulated = true;
  CONSILIUM_ASSIGN(federation->driver_, round::JobDriver::create(kept.job_id, "simulation", kept.job->spec,
                                                                 kept.initial_model, std::move(driver)));
  return federation;
}

void Federation::begin() {
  driver_->begin(now());
  for (const SimulatedSite& site : plan_.sites) {
    if (driver_->wants(site.name)) driver_->site_connected(site.name, now());
  }
  settle();
}

void Federation::send(const std::string& site, wire::CoordinatorMessage message) {
  // The driver is in the middle of a call: what it sends is dealt with once that call has returned.
  if (std::holds_alternative<wire::JobOffer>(message)) {
    offered_.push_back(site);
  } else if (auto* offer = std::get_if<wire::SessionOffer>(&message)) {
    const auto found = std::ranges::find(plan_.sites, site, &SimulatedSite::name);
    if (found != plan_.sites.end()) sessions_.push_back({*found, std::move(*offer)});
  } else if (const auto* closed = std::get_if<wire::SessionClosed>(&message)) {
    std::erase_if(sessions_, [&](const Session& session) {
      return session.site.name == site && session.offer.key == closed->key;
    });
    parts_.pool.cancel(site, closed->key);
    underway_.erase({site, closed->key});
  }
}

void Federation::take(Outcome outcome) {
  if (underway_.erase({outcome.site, outcome.key}) == 0) return;  // closed meanwhile
  if (!outcome.answer) {
    driver_->site_failed(outcome.site, outcome.key, outcome.answer.error().message, now());
  } else if (outcome.answer->partial) {
    driver_->partial_received(outcome.site, outcome.key, now());
  } else {
    VectorWords words(outcome.answer->words);
    if (const auto taken = driver_->vector_received(outcome.site, outcome.key, words, now()); !taken) {
      driver_->site_failed(outcome.site, outcome.key, taken.error().message, now());
    }
  }
  settle();
}

void Federation::finish_round_and_stop(std::string reason) {
  if (ended() || stop_reason_) return;
  stop_reason_ = std::move(reason);
  if (last_round_ == 0) driver_->stop(*stop_reason_, now());
  settle();
}

/// Deals with what the driver sent until it waits for tasks or has ended.
void Federation::settle() {
  while (!ended()) {
    if (!offered_.empty()) {
      answer_offers();
    } else if (!sessions_.empty()) {
      post_sessions();
    } else if (underway_.empty()) {
      pass_time();
    } else {
      return;
    }
  }
  for (const auto& [site, key] : underway_) parts_.pool.cancel(site, key);
  underway_.clear();
}

void Federation::answer_offers() {
  for (const std::string& site : std::exchange(offered_, {})) driver_->job_answer(site, true, "", now());
}

void Federation::post_sessions() {
  // The driver offers a session to its whole cohort in one call, so a session's offers are all here.
  std::map<job::SessionKey, std::vector<Session>> by_key;
  for (Session& session : std::exchange(sessions_, {})) by_key[session.offer.key].push_back(std::move(session));
  for (auto& [key, sessions] : by_key) {
    if (key.kind == job::SumKind::kTrain) {
      if (stop_reason_ && key.round > last_round_) return driver_->stop(*stop_reason_, now());
      last_round_ = std::max(last_round_, key.round);
    }
    const auto order = job::decode_round_order(sessions.front().offer.order);
    if (!order) {
      for (const Session& session : sessions)
        driver_->site_failed(session.site.name, key, order.error().message, now());
      continue;
    }
    std::map<std::string, std::uint32_t> stragglers;
    if (order->kind == job::SumKind::kTrain && plan_.stragglers > 0) {
      std::vector<std::string> cohort;
      for (const Session& session : sessions) cohort.push_back(session.site.name);
      stragglers = draw_stragglers(order->seed, order->round, cohort, plan_.stragglers, order->local_epochs);
    }
    for (Session& session : sessions) {
      const auto slow = stragglers.find(session.site.name);
      underway_.emplace(session.site.name, key);
      parts_.pool.post({plan_.job, std::move(session.site), key, *order,
                        slow == stragglers.end() ? std::nullopt : std::optional(slow->second)});
    }
  }
}

/// Nothing is under way: whatever the driver waits for is a deadline, and need not be waited for.
void Federation::pass_time() {
  const auto deadline = driver_->next_deadline();
  if (!deadline) {
    driver_->stop("the simulated job waits for something that never comes", now());
    return;
  }
  if (*deadline > now()) skipped_ += *deadline - now();
  driver_->tick(std::max(now(), *deadline));
}

}  // namespace consilium::simulation
