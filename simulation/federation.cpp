#include "simulation/federation.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <span>
#include <thread>
#include <type_traits>
#include <variant>

#include "simulation/stragglers.h"

namespace consilium::simulation {
namespace {

/// How often a view is updated about the sites' activity between milestones.
constexpr std::chrono::milliseconds kTellEvery{100};
/// Steps of mode `masked-threshold`, by secagg::Phase.
constexpr std::string_view kStepNames[] = {"advertise", "share", "upload", "confirm", "unmask"};

}  // namespace

Result<std::unique_ptr<Federation>> Federation::create(Plan plan, Parts parts) {
  std::unique_ptr<Federation> federation(new Federation(std::move(plan), std::move(parts)));
  const Plan& kept = federation->plan_;
  for (std::size_t i = 0; i < kept.sites.size(); ++i) federation->places_.emplace(kept.sites[i].name, i);
  round::JobDriver::Parts driver{*federation, federation->parts_.journal, federation->parts_.blobs,
                                 [made = federation.get()] { made->status_changed(); }};
  driver.simulated = true;
  driver.authenticator = kept.authenticator;
  driver.threads = std::max(1U, std::thread::hardware_concurrency());
  CONSILIUM_ASSIGN(federation->driver_, round::JobDriver::create(kept.job_id, job::JobSignature{}, kept.job->spec,
                                                                 kept.initial_model, std::move(driver)));
  return federation;
}

report::MaskingCost& Federation::cost_of(std::string_view step) {
  const auto found = std::ranges::find(costs_, step, &report::MaskingCost::step);
  if (found != costs_.end()) return *found;
  costs_.push_back({std::string(step)});
  return costs_.back();
}

void Federation::status_changed() {
  if (!parts_.changed) return;
  const auto now = std::chrono::steady_clock::now();
  if (driver_->milestones() == told_milestones_ && now < told_ + kTellEvery) return;
  told_milestones_ = driver_->milestones();
  told_ = now;
  parts_.changed(driver_->status());
}

void Federation::begin() {
  driver_->begin(now());
  for (const SimulatedSite& site : plan_.sites) {
    if (driver_->wants(site.name)) driver_->site_connected(site.name, now());
  }
  settle();
}

void Federation::send(const std::string& site, wire::CoordinatorMessage message) {
  // The driver is in the middle of a call, so its messages are handled after that call has returned.
  if (std::holds_alternative<wire::JobOffer>(message)) {
    offered_.push_back(site);
  } else if (auto* offer = std::get_if<wire::SessionOffer>(&message)) {
    const auto place = places_.find(site);
    if (place != places_.end()) sessions_.push_back({plan_.sites[place->second], std::move(*offer)});
  } else if (auto* step = std::get_if<wire::Masking>(&message); step != nullptr && plan_.groups == nullptr) {
    masking_.emplace_back(site, std::move(*step));
  } else if (const auto* closed = std::get_if<wire::SessionClosed>(&message)) {
    std::erase_if(masking_, [&](const auto& step) { return step.first == site && step.second.key == closed->key; });
    std::erase_if(unmasked_, [&](const Outcome& done) { return done.site == site && done.key == closed->key; });
    std::erase_if(sessions_, [&](const Session& session) {
      return session.site.name == site && session.offer.key == closed->key;
    });
    std::erase_if(waiting_, [&](const Task& task) { return task.site.name == site && task.key == closed->key; });
    parts_.pool.cancel(site, closed->key);
    underway_.erase({site, closed->key});
  } else if (plan_.groups != nullptr) {
    std::visit(
        [&](auto& sent) {
          if constexpr (std::is_constructible_v<GroupMessage, decltype(std::move(sent))>)
            messages_.emplace_back(site, std::move(sent));
        },
        message);
  }
}

void Federation::take(Outcome outcome) {
  if (underway_.erase({outcome.site, outcome.key}) == 0) return;  // closed in the meantime
  if (outcome.answer && !outcome.answer->unusable.empty()) {
    unusable_.push_back(fmt::format("{}, {} of round {}: {}", outcome.site, job::name_of(outcome.key.kind),
                                    outcome.key.round, outcome.answer->unusable));
  }
  if (!outcome.answer) {
    driver_->site_failed(outcome.site, outcome.key, outcome.answer.error().message, now());
  } else if (outcome.answer->partial) {
    driver_->partial_received(outcome.site, outcome.key, now());
  } else if (plan_.groups != nullptr) {
    upload(std::move(outcome));
  } else if (plan_.masked == nullptr) {
    deliver(std::move(outcome));
  } else {
    unmasked_.push_back(std::move(outcome));
  }
  settle();
}

void Federation::deliver(Outcome outcome) {
  std::vector<std::uint32_t>& vector = outcome.answer->words;
  Result<void> taken;
  if (plan_.masked != nullptr) {
    const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
    taken = count(kStepNames[2], vector.size() * sizeof(std::uint32_t),
                  [&] { return plan_.masked->mask(outcome.site, vector, threads); });
  }
  aggregation::MemoryWords words(vector);
  if (taken) taken = driver_->vector_received(outcome.site, outcome.key, words, now());
  if (!taken) driver_->site_failed(outcome.site, outcome.key, taken.error().message, now());
}

void Federation::silence(const std::string& site, const job::SessionKey& key, secagg::Phase step) {
  if (step >= secagg::Phase::kConfirming) return;  // its vector is in the sum, and the other sites are enough
  parts_.pool.cancel(site, key);
  underway_.erase({site, key});
  driver_->site_failed(site, key, fmt::format("simulated dropout while {}", secagg::name_of(step)), now());
}

/// Lets a site of a masked session advertise its keys, unless it has dropped out already.
void Federation::begin_masks(const job::SessionKey& key, const job::RoundOrder& order, const std::string& site) {
  if (plan_.masked->drops(site, secagg::Phase::kAdvertising)) {
    silence(site, key, secagg::Phase::kAdvertising);
    return;
  }
  std::uint64_t bytes = 0;
  const auto advertised = count(kStepNames[0], 0, [&]() -> Result<void> {
    CONSILIUM_ASSIGN(const secagg::SiteMessage advert, plan_.masked->begin(site, order, plan_.job->spec));
    std::vector<std::byte> message = secagg::encode(advert);
    bytes = message.size();
    driver_->masking_received(site, {key, std::move(message)}, now());
    return {};
  });
  cost_of(kStepNames[0]).bytes += bytes;
  if (!advertised) driver_->site_failed(site, key, advertised.error().message, now());
}

/// Passes one message of the driver to a site, and the site's answer back.
void Federation::pass_masking() {
  const std::string site = std::move(masking_.front().first);
  const wire::Masking step = std::move(masking_.front().second);
  masking_.pop_front();
  if (step.key != plan_.masked->session()) return;  // enough other sites answered, and the job continued
  const auto message = secagg::decode_coordinator_message(step.message);
  if (!message) return driver_->site_failed(site, step.key, message.error().message, now());
  // Adverts ask for shares, boxes for the vector, survivors for a confirmation, and an unmask request for the last
  // shares.
  const auto asked = static_cast<secagg::Phase>(message->index() + static_cast<std::size_t>(secagg::Phase::kSharing));
  if (plan_.masked->drops(site, asked)) {
    silence(site, step.key, asked);
    return;
  }
  const std::string_view step_name = kStepNames[static_cast<std::size_t>(asked) - 1];
  const auto answered = count(step_name, step.message.size(), [&]() -> Result<void> {
    CONSILIUM_ASSIGN(const auto answer, plan_.masked->receive(site, *message));
    if (!answer) return {};
    std::vector<std::byte> bytes = secagg::encode(*answer);
    cost_of(step_name).bytes += bytes.size();
    ++cost_of(step_name).messages;
    driver_->masking_received(site, {step.key, std::move(bytes)}, now());
    return {};
  });
  if (!answered) driver_->site_failed(site, step.key, answered.error().message, now());
}

void Federation::finish_round_and_stop(std::string reason) {
  if (ended() || stop_reason_) return;
  stop_reason_ = std::move(reason);
  if (last_round_ == 0) driver_->stop(*stop_reason_, now());
  settle();
}

/// Handles the driver's messages until it waits for tasks or has ended.
void Federation::settle() {
  while (!ended()) {
    if (!offered_.empty()) {
      answer_offers();
    } else if (!messages_.empty()) {
      answer_message();
    } else if (!sessions_.empty()) {
      plan_.groups != nullptr ? begin_attempt() : post_sessions();
    } else if (!masking_.empty()) {
      pass_masking();
    } else if (const auto ready = std::ranges::find_if(
                   unmasked_, [this](const Outcome& done) { return plan_.masked->keyed(done.site); });
               ready != unmasked_.end()) {
      Outcome outcome = std::move(*ready);
      unmasked_.erase(ready);
      deliver(std::move(outcome));
    } else if (post_next()) {
      continue;
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
  for (const std::string& site : std::exchange(offered_, {}))
    driver_->job_answer(site, {{}, wire::JobConsent::kAccepted, {}}, now());
}

void Federation::post_sessions() {
  // The driver offers a session to its whole cohort in one call, so a session's offers are all here.
  std::map<job::SessionKey, std::vector<Session>> by_key;
  for (Session& session : sessions_) by_key[session.offer.key].push_back(std::move(session));
  sessions_.clear();
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
    if (plan_.masked != nullptr) {
      std::vector<std::string> cohort;
      for (const Session& session : sessions) cohort.push_back(session.site.name);
      plan_.masked->open(key, *order, cohort);
      unmasked_.clear();
    }
    std::map<std::string, std::uint32_t> stragglers;
    if (order->kind == job::SumKind::kTrain && plan_.stragglers > 0) {
      std::vector<std::string> cohort;
      for (const Session& session : sessions) cohort.push_back(session.site.name);
      stragglers = draw_stragglers(order->seed, order->round, cohort, plan_.stragglers, order->local_epochs);
    }
    for (Session& session : sessions) {
      const auto slow = stragglers.find(session.site.name);
      const auto own = job::decode_round_order(session.offer.order);  // of its own group
      underway_.emplace(session.site.name, key);
      parts_.pool.post({plan_.job, session.site, key, own.value_or(*order),
                        slow == stragglers.end() ? std::nullopt : std::optional(slow->second)});
    }
    if (plan_.masked == nullptr) continue;
    for (const Session& session : sessions) {
      const auto own = job::decode_round_order(session.offer.order);  // of its own count group
      begin_masks(key, own.value_or(*order), session.site.name);
    }
  }
}

/// No task is running, so the driver waits only for a deadline, which can be skipped.
void Federation::pass_time() {
  const auto deadline = driver_->next_deadline();
  if (!deadline) {
    driver_->stop("the simulated job waits for an event that will never happen", now());
    return;
  }
  if (*deadline > now()) skipped_ += *deadline - now();
  driver_->tick(std::max(now(), *deadline));
}

}  // namespace consilium::simulation
