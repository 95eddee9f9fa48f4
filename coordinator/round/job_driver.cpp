#include "coordinator/round/job_driver.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "common/job/cohort_rules.h"
#include "common/job/job_text.h"
#include "common/model/model_parameters.h"
#include "coordinator/round/effect_json.h"

namespace consilium::round {

Result<std::unique_ptr<JobDriver>> JobDriver::create(std::string job_id, job::JobSignature signature,
                                                     const job::JobSpec& spec, const crypto::Digest& initial_model,
                                                     Parts parts) {
  if (job::is_masked(spec) && !parts.authenticator && !parts.simulated) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("job {} requires secure aggregation, which this coordinator doesn't support", job_id));
  }
  CONSILIUM_ASSIGN(ParameterManifest manifest, model::build_manifest(spec.model));
  CONSILIUM_ASSIGN(const std::uint64_t size, parts.blobs.size(initial_model));
  if (size != manifest.parameter_count() * sizeof(float)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("job {}: found initial weights of {} bytes, but the model needs {}", job_id, size,
                            manifest.parameter_count() * sizeof(float)));
  }
  return std::unique_ptr<JobDriver>(new JobDriver(std::move(job_id), std::move(signature), spec, std::move(manifest),
                                                  initial_model, std::move(parts)));
}

JobDriver::JobDriver(std::string job_id, job::JobSignature signature, const job::JobSpec& spec,
                     ParameterManifest manifest, const crypto::Digest& initial_model, Parts parts)
    : job_id_(std::move(job_id)),
      signature_(std::move(signature)),
      spec_(spec),
      spec_text_(job::canonical_text(spec)),
      parts_(std::move(parts)),
      masked_(job::is_masked(spec) && !job::sums_whole_groups(spec) && parts_.authenticator),
      state_(initial_state(rules_of(job_id_, spec))),
      board_(job_id_, spec, initial_model),
      model_(spec, std::move(manifest), initial_model, parts_.blobs) {
  if (job::sums_whole_groups(spec_)) runs_.emplace(job_id_, spec_, job::job_digest(spec_), parts_.authenticator);
}

// Messages of sites, and time.

void JobDriver::site_connected(const std::string& site, TimePoint now) {
  connection_changed(SiteConnected{site}, site, now);
  remind(site);
}

void JobDriver::job_answer(const std::string& site, const wire::JobAnswer& answer, TimePoint now) {
  switch (answer.consent) {
    case wire::JobConsent::kAccepted:
      if (runs_) deliver(runs_->returned(site));
      handle(SiteAccepted{site}, now);
      break;
    case wire::JobConsent::kWaits:
      handle(SiteWaits{site}, now);
      break;
    case wire::JobConsent::kDeclined:
      if (runs_) {
        deliver(runs_->declined(site, answer.reason, now));
        handle(SiteDeclined{site, answer.reason}, now);
        break;
      }
      connection_changed(SiteDeclined{site, answer.reason}, site, now);
      break;
  }
}

void JobDriver::progress(const std::string& site, const wire::SessionProgress& progress) {
  if (runs_ ? runs_->attempt_of(site) != progress.key : !admits(state_, site, progress.key)) return;
  board_.progress(site, progress.phase);
  status_changed();
}

Result<void> JobDriver::vector_received(const std::string& site, const job::SessionKey& key, WordSource& words,
                                        TimePoint now) {
  if (runs_) return group_vector_received(site, key, words, now);
  CONSILIUM_TRY(check_open(site, key));
  auto taken = sum_->take(site, words);
  if (!taken) {
    const Error error = std::move(taken).error().within(fmt::format("{}: vector of {}", job::to_string(key), site));
    if (sum_->intact()) {
      handle(Failed{site, key, error.message}, now);
    } else {
      handle(SumSpoiled{key, error.message}, now);
    }
    return fail(error);
  }
  board_.add_bytes(words.word_count() * sizeof(std::uint32_t));
  if (auto refused = handle(Answered{site, key, Standing::kUpdate, *taken}, now)) return fail(*std::move(refused));
  return {};
}

void JobDriver::partial_received(const std::string& site, const job::SessionKey& key, TimePoint now) {
  if (!handle(Answered{site, key, Standing::kPartial, {}}, now)) lose(site, key, "ran out of time", now);
}

void JobDriver::masking_received(const std::string& site, const wire::Masking& step, TimePoint now) {
  if (runs_) {
    board_.add_bytes(step.message.size());
    deliver(runs_->receive(site, step, now));
    return go_on(now);
  }
  if (!sum_ || sum_->key() != step.key) return;  // of a session that is over
  board_.add_bytes(step.message.size());
  auto message = secagg::decode_site_message(step.message);
  if (!message) {
    put_out(site, step.key, message.error().message, now);
    lose(site, step.key, message.error().message, now);
    return;
  }
  lost_sites_.erase(site);  // it is back
  follow(sum_->receive(site, *message), now);
}

void JobDriver::site_failed(const std::string& site, const job::SessionKey& key, const std::string& reason,
                            TimePoint now) {
  if (runs_) {
    deliver(runs_->failed(site, key, reason, now));
    return go_on(now);
  }
  handle(Failed{site, key, reason}, now);
  lose(site, key, reason, now);
}

void JobDriver::tick(TimePoint now) {
  const auto due = keys_due();
  if (due && now >= *due) follow(sum_->close_key_agreement(), now);
  const auto* unmasking = std::get_if<Unmasking>(&state_.phase);
  if (unmasking != nullptr && sum_ && now >= unmasking->until) follow(sum_->close_unmasking(), now);
  handle(Tick{}, now);
}

std::optional<TimePoint> JobDriver::next_deadline() const {
  const auto machine = next_wakeup(state_);
  const auto keys = runs_ ? runs_->wakeup() : keys_due();
  return machine && keys ? std::min(*machine, *keys) : (keys ? keys : machine);
}

Result<std::uint64_t> JobDriver::expected_words(const std::string& site, const job::SessionKey& key) const {
  if (runs_) return runs_->expected_words(site, key);
  CONSILIUM_TRY(check_open(site, key));
  CONSILIUM_TRY(sum_->admits(site));
  return sum_->word_count();
}

Result<void> JobDriver::check_open(const std::string& site, const job::SessionKey& key) const {
  CONSILIUM_TRY(admits(state_, site, key));
  if (sum_ && sum_->key() == key) return {};
  return fail(ErrorCode::kInternal, fmt::format("{}: no sum is open", job::to_string(key)));
}

// Events go to the machine, its effects to the journal.

std::optional<Error> JobDriver::handle(Event event, TimePoint now) {
  const std::uint64_t effects_before = state_.last_effect;
  std::optional<Error> refused = apply(event, now);
  if (refused) return refused;
  if (std::holds_alternative<Tick>(event) && state_.last_effect == effects_before && !runs_) return {};
  go_on(now);
  return {};
}

void JobDriver::go_on(TimePoint now) {
  do {
    while (!follow_up_.empty()) {
      const Event next = std::move(follow_up_.front());
      follow_up_.pop_front();
      apply(next, now);
    }
    if (runs_ && !ended()) deliver(runs_->advance([this](const std::string& site) { return may_work(site); }, now));
  } while (!follow_up_.empty());
  // A round isn't over while sites are still checking it, because its evaluation may follow.
  const bool checked = !runs_ || !runs_->offered_total();
  if (checked && !evaluates()) board_.finish_round();
  if (runs_) board_.waits(runs_->waiting([this](const std::string& site) { return ready(site); }));
  status_changed();
}

void JobDriver::status_changed() {
  board_is_old_ = true;
  if (parts_.changed) parts_.changed();
}

const report::JobStatus& JobDriver::status() const {
  if (std::exchange(board_is_old_, false)) board_.show(state_);
  return board_.status();
}

std::optional<Error> JobDriver::apply(const Event& event, TimePoint now) {
  Transition transition = advance(std::move(state_), event, now);
  state_ = std::move(transition.state);
  if (transition.refused) return std::move(transition.refused);
  for (const Effect& effect : transition.effects) {
    if (!journal_failed_) {
      if (auto kept = parts_.journal.append(to_entry(job_id_, effect)); !kept) {
        // This effect and the following ones aren't carried out. The sites are told that the job has ended, which needs
        // no record.
        journal_failed_ = true;
        follow_up_.clear();
        follow_up_.push_back(Fault{fmt::format("the journal can't be written: {}", kept.error().message)});
        return {};
      }
    }
    if (!std::holds_alternative<OfferJob>(effect.action)) ++milestones_;
    std::visit([&](const auto& action) { carry_out(action, now); }, effect.action);
  }
  return {};
}

void JobDriver::connection_changed(const Event& event, const std::string& site, TimePoint now) {
  if (runs_) {
    deliver(runs_->left(site, std::holds_alternative<SiteConnected>(event), now));
    handle(event, now);
    return;
  }
  // A site that is asked to confirm or reveal may reconnect and do so.
  const bool may_return = !sum_ || std::holds_alternative<Unmasking>(state_.phase);
  const job::SessionKey key = sum_ ? sum_->key() : job::SessionKey{};
  handle(event, now);
  if (!may_return) lose(site, key, "disconnected", now);
}

bool JobDriver::evaluates() const {
  const auto* session = std::get_if<Collecting>(&state_.phase);
  if (const auto* unmasking = std::get_if<Unmasking>(&state_.phase)) session = &unmasking->session;
  return session != nullptr && session->key.kind == job::SumKind::kEvaluate;
}

// Effects.

void JobDriver::carry_out(const OfferJob& action, TimePoint) {
  parts_.gateway.send(action.site, wire::JobOffer{job_id_, spec_text_, signature_});
}

void JobDriver::carry_out(const OpenSession& action, TimePoint now) {
  if (runs_) return open_groups(action, now);
  const bool with_model = action.key.kind != job::SumKind::kCensus;
  auto groups = groups_of(spec_, state_.rules, action, with_model ? model_.digest() : crypto::Digest{});
  const auto opened = groups ? open_sum(action, *groups, now) : Result<void>(fail(groups.error()));
  if (!opened) {
    follow_up_.push_back(Fault{opened.error().message});
    return;
  }
  const std::uint64_t model_bytes = with_model ? model_.bytes() : 0;
  board_.opened(action, model_.digest(), model_bytes, now);
  for (const SessionSum::Group& group : *groups) {
    const std::vector<std::byte> encoded = job::encode(group.order);
    for (const std::string& site : group.sites)
      parts_.gateway.send(site, wire::SessionOffer{action.key, encoded, model_bytes});
  }
}

Result<void> JobDriver::open_sum(const OpenSession& action, std::vector<SessionSum::Group> groups, TimePoint now) {
  std::optional<SessionSum::Masks> masks;
  if (masked_) masks = SessionSum::Masks{job::colluding_sites(spec_), parts_.authenticator};
  std::optional<SessionSum> former;
  if (action.key.kind == job::SumKind::kTrain) former = std::exchange(former_, std::nullopt);
  CONSILIUM_ASSIGN(auto task, job::task_of(spec_));
  CONSILIUM_ASSIGN(sum_, SessionSum::create(action.key, std::move(groups), std::move(task), !job::is_masked(spec_),
                                            masks, std::move(former)));
  key_phase_ = sum_->key_phase();
  key_phase_since_ = now;
  lost_sites_.clear();
  return {};
}

void JobDriver::carry_out(const CancelSession& action, TimePoint) {
  if (runs_) return deliver(runs_->close(action.reason));
  for (const std::string& site : action.sites)
    parts_.gateway.send(site, wire::SessionClosed{action.key, action.reason});
}

void JobDriver::carry_out(const CloseSum& action, TimePoint now) {
  if (runs_) {
    if (const auto closed = close_groups(action, now); !closed)
      follow_up_.push_back(CommitFailed{action.key, closed.error().message});
    return;
  }
  auto outcome = sum_ && sum_->key() == action.key
                     ? close(action, sum_->sum(), now)
                     : Result<Committed>(fail(ErrorCode::kInternal, "the sum was already discarded"));
  retire_sum();
  if (outcome) {
    follow_up_.push_back(*std::move(outcome));
  } else {
    follow_up_.push_back(CommitFailed{action.key, outcome.error().message});
  }
}

Result<Committed> JobDriver::close(const CloseSum& action, aggregation::StreamingSum& sum, TimePoint now) {
  switch (action.key.kind) {
    case job::SumKind::kCensus: {
      CONSILIUM_ASSIGN(const std::vector<std::uint64_t> splits, sum.counts(encoding::kExamples));
      Committed committed{.key = action.key, .examples = splits[0]};
      if (spec_.training.loss.balanced) {
        CONSILIUM_ASSIGN(std::vector<std::uint64_t> classes, sum.counts(encoding::kClassExamples));
        committed.labels = {splits[0], std::move(classes)};
      }
      return committed;
    }
    case job::SumKind::kTrain: {
      CONSILIUM_ASSIGN(const StatusBoard::Training training, model_.next(sum, action));
      board_.trained(action, training, now);
      return Committed{.key = action.key, .model = training.model};
    }
    case job::SumKind::kEvaluate: {
      CONSILIUM_ASSIGN(const auto task, job::task_of(spec_));
      CONSILIUM_ASSIGN(task::Metrics metrics, task::metrics_from_words(*task, sum.layout(), sum.words()));
      Committed committed{.key = action.key};
      if (const task::Metric* compared = metrics.find(spec_.evaluation.metric)) committed.metric = *compared;
      CONSILIUM_ASSIGN(auto alone, task::alone_metrics_from_words(*task, sum.layout(), sum.words()));
      board_.evaluated(action, {std::move(metrics), std::move(alone)},
                       sum_ ? sum_->site_metrics() : std::map<std::string, task::Metrics>(), now);
      return committed;
    }
  }
  return fail(ErrorCode::kInternal, "unknown kind of sum");
}

void JobDriver::retire_sum() {
  if (sum_ && sum_->key().kind == job::SumKind::kTrain) former_ = std::move(sum_);
  sum_.reset();
}

void JobDriver::carry_out(const DropSum& action, TimePoint) {
  if (runs_) runs_->drop();
  if (sum_ && sum_->key() == action.key) sum_.reset();
  if (action.key.kind == job::SumKind::kTrain) board_.withdraw_round();
  if (action.key.kind == job::SumKind::kEvaluate) board_.evaluation_missed(action.answers, action.reason);
}

void JobDriver::carry_out(const Publish& action, TimePoint now) {
  model_.publish(action.model);
  board_.published(action.model, now);
}

void JobDriver::carry_out(const KeepBest& action, TimePoint) { model_.keep(action.model); }

void JobDriver::carry_out(const EndJob& action, TimePoint) {
  sum_.reset();
  former_.reset();
  if (runs_) runs_->drop();
  release_total();
  release_counted();
  kept_model_ = model_.end();
  board_.finish_round();
  if (kept_model_) board_.kept(*kept_model_);
  for (const std::string& site : action.sites) {
    parts_.gateway.send(site, wire::JobEnded{job_id_, outcome_text(action.outcome, action.message)});
  }
}

}  // namespace consilium::round
