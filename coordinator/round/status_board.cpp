#include "coordinator/round/status_board.h"

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <utility>

namespace consilium::round {

namespace {

/// Returns the Unix time, for display only.
std::uint64_t wall_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

double seconds_between(TimePoint from, TimePoint to) { return std::chrono::duration<double>(to - from).count(); }

std::string_view name_of(wire::SitePhase phase) {
  switch (phase) {
    case wire::SitePhase::kFetching:
      return "fetching";
    case wire::SitePhase::kTraining:
      return "training";
    case wire::SitePhase::kEvaluating:
      return "evaluating";
    case wire::SitePhase::kUploading:
      return "uploading";
  }
  return "working";
}

std::string_view work_of(job::SumKind kind) {
  switch (kind) {
    case job::SumKind::kCensus:
      return "counting";
    case job::SumKind::kTrain:
      return "training";
    case job::SumKind::kEvaluate:
      return "evaluating";
  }
  return "working";
}

const Collecting* session_of(const State& state) {
  if (const auto* session = std::get_if<Collecting>(&state.phase)) return session;
  if (const auto* unmasking = std::get_if<Unmasking>(&state.phase)) return &unmasking->session;
  if (const auto* closing = std::get_if<Closing>(&state.phase)) return &closing->session;
  return nullptr;
}

report::JobPhase phase_of(job::SumKind kind) {
  switch (kind) {
    case job::SumKind::kCensus:
      return report::JobPhase::kCensus;
    case job::SumKind::kTrain:
      return report::JobPhase::kTraining;
    case job::SumKind::kEvaluate:
      return report::JobPhase::kEvaluating;
  }
  return report::JobPhase::kTraining;
}

report::JobPhase phase_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kFinished:
      return report::JobPhase::kFinished;
    case Outcome::kStopped:
      return report::JobPhase::kStopped;
    case Outcome::kFailed:
      return report::JobPhase::kFailed;
  }
  return report::JobPhase::kFailed;
}

std::string detail_of(const State& state, const Collecting& session) {
  const std::size_t answered = session.answers.size() - session.pending;
  switch (session.key.kind) {
    case job::SumKind::kCensus:
      return fmt::format("counting examples: {} of {} sites answered", answered, session.answers.size());
    case job::SumKind::kTrain: {
      const std::string attempt = session.key.attempt > 1 ? fmt::format(", attempt {}", session.key.attempt) : "";
      return fmt::format("round {} of {}{}: {} of {} sites answered", session.key.round, state.rules.rounds, attempt,
                         answered, session.answers.size());
    }
    case job::SumKind::kEvaluate:
      return fmt::format("evaluating round {} of {}: {} of {} sites answered", session.key.round, state.rules.rounds,
                         answered, session.answers.size());
  }
  return "";
}

std::string text_of(const SiteState& site, const Answer* answer, const std::string& activity) {
  if (site.consent == Consent::kDeclined) return "declined: " + site.reason;
  if (answer != nullptr && answer->standing == Standing::kFailed) return "failed: " + answer->reason;
  if (!site.connected) return "disconnected";
  if (site.unfit) return "census failed: " + site.reason;
  if (site.consent == Consent::kAsked) return "asked";
  if (site.consent == Consent::kWaits) return "waits for approval";
  if (answer == nullptr) return "idle";
  if (answer->standing == Standing::kUpdate) return "answered";
  if (answer->standing == Standing::kPartial) return "partial";
  return activity;
}

}  // namespace

std::string outcome_text(Outcome outcome, const std::string& message) {
  switch (outcome) {
    case Outcome::kFinished:
      return "finished";
    case Outcome::kStopped:
      return message.starts_with("stopped") ? message : fmt::format("stopped: {}", message);
    case Outcome::kFailed:
      return fmt::format("failed: {}", message);
  }
  return message;
}

StatusBoard::StatusBoard(const std::string& job_id, const job::JobSpec& spec, const crypto::Digest& initial_model) {
  status_.job_id = job_id;
  status_.name = spec.name;
  status_.rounds = spec.federation.rounds;
  status_.model = initial_model;
  status_.masked = spec.privacy.secure_aggregation == job::SecureAggregation::kRequired;
}

void StatusBoard::progress(const std::string& site, wire::SitePhase phase) { activity_[site] = name_of(phase); }

void StatusBoard::opened(const OpenSession& action, const crypto::Digest& model, std::uint64_t model_bytes,
                         TimePoint now) {
  if (status_.started_seconds == 0) status_.started_seconds = wall_seconds();
  activity_.clear();
  for (const std::string& site : action.cohort) activity_[site] = work_of(action.key.kind);
  evaluating_ = action.key.kind == job::SumKind::kEvaluate;
  if (evaluating_) {
    evaluation_opened_ = now;
  } else {
    finish_round();
    if (action.key.kind == job::SumKind::kTrain && !round_opened_) {
      round_opened_ = now;
      round_started_seconds_ = wall_seconds();
      training_bytes_ = 0;
    }
  }
  if (model_bytes == 0) return;
  for (const std::string& site : action.cohort) {
    const auto held = holds_.find(site);
    if (held != holds_.end() && held->second == model) continue;
    holds_[site] = model;
    add_bytes(model_bytes);
  }
}

void StatusBoard::add_bytes(std::uint64_t bytes) {
  if (evaluating_ && finished_) {
    finished_->bytes += bytes;
  } else {
    training_bytes_ += bytes;
  }
}

void StatusBoard::trained(const CloseSum& action, const Training& training, TimePoint now) {
  report::RoundRecord record;
  record.round = action.key.round;
  for (const auto& [site, answer] : action.answers) {
    record.cohort.push_back(site);
    if (answer.standing == Standing::kUpdate) record.contributed.push_back(site);
    if (answer.standing == Standing::kPartial) record.partial.push_back(site);
    if (answer.standing == Standing::kFailed) record.failed[site] = answer.reason;
  }
  record.seconds = seconds_between(round_opened_.value_or(now), now) + training.seconds_to_commit;
  record.bytes = training_bytes_;
  record.train_loss = training.loss;
  record.clipped = training.clipped;
  record.coordinates = training.coordinates;
  record.model = training.model;
  record.started_seconds = round_started_seconds_;
  record.ended_seconds = wall_seconds();
  finished_ = std::move(record);
}

void StatusBoard::published(const crypto::Digest& model, TimePoint now) {
  status_.model = model;
  if (finished_) finished_->ended_seconds = wall_seconds();
  if (const auto opened = std::exchange(round_opened_, std::nullopt); opened && finished_)
    finished_->seconds = std::max(finished_->seconds, seconds_between(*opened, now));
}

void StatusBoard::withdraw_round() {
  finished_.reset();
  round_opened_.reset();
}

void StatusBoard::evaluated(const CloseSum& action, Evaluation evaluation,
                            const std::map<std::string, task::Metrics>& by_site, TimePoint now) {
  if (!finished_) return;
  finished_->metrics = std::move(evaluation.federated);
  finished_->alone = std::move(evaluation.alone);
  finished_->site_metrics = by_site;
  // Tables by site would make up most of a history, and no view shows them.
  for (auto& [site, metrics] : finished_->site_metrics) metrics.tables.clear();
  finished_->evaluation_seconds = seconds_between(evaluation_opened_, now);
  finished_->ended_seconds = wall_seconds();
  evaluation_missed(action.answers, "");
}

void StatusBoard::evaluation_missed(const Answers& answers, const std::string& reason) {
  if (!finished_) return;
  for (const auto& [site, answer] : answers) {
    if (answer.standing == Standing::kFailed) {
      finished_->evaluation_failed[site] = answer.reason;
    } else if (!reason.empty()) {
      finished_->evaluation_failed[site] = reason;
    }
  }
}

void StatusBoard::finish_round() {
  if (!finished_) return;
  seconds_ += finished_->seconds + finished_->evaluation_seconds;
  status_.history.push_back(*std::exchange(finished_, std::nullopt));
  evaluating_ = false;
}

void StatusBoard::show(const State& state) {
  show_phase(state);
  const Collecting* session = session_of(state);
  for (const auto& [name, site] : state.sites) {
    const Answer* answer = nullptr;
    if (session != nullptr) {
      const auto found = session->answers.find(name);
      if (found != session->answers.end()) answer = &found->second;
    }
    status_.sites[name] = text_of(site, answer, activity_of(name));
  }
  status_.examples = state.member_examples;
  status_.eta_seconds.reset();
  if (status_.history.empty() || std::holds_alternative<Ended>(state.phase)) return;
  const auto done = static_cast<double>(status_.history.size());
  status_.eta_seconds = seconds_ / done * (static_cast<double>(status_.rounds) - done);
}

std::string StatusBoard::activity_of(const std::string& site) const {
  const auto found = activity_.find(site);
  return found == activity_.end() ? "working" : found->second;
}

void StatusBoard::show_phase(const State& state) {
  status_.round = state.round;
  if (const Collecting* session = session_of(state)) {
    status_.phase = phase_of(session->key.kind);
    status_.detail = detail_of(state, *session);
    if (std::holds_alternative<Unmasking>(state.phase)) status_.detail += "; removing the masks";
    if (!waiting_.empty()) status_.detail += "; " + waiting_;
    if (session->key.kind == job::SumKind::kTrain) status_.round = session->key.round;
  } else if (const auto* ended = std::get_if<Ended>(&state.phase)) {
    status_.phase = phase_of(ended->outcome);
    if (status_.ended_seconds == 0) status_.ended_seconds = wall_seconds();
    // Only watchers, who can see metrics, learn which round was best; sites are told that the job has finished.
    const bool compared = ended->outcome == Outcome::kFinished && state.best;
    status_.detail = compared ? ended->message : outcome_text(ended->outcome, ended->message);
  } else if (std::holds_alternative<Recruiting>(state.phase)) {
    status_.phase = report::JobPhase::kRecruiting;
    status_.detail = waiting_for(state);
  } else {
    status_.phase = report::JobPhase::kQueued;
    status_.detail = "queued";
  }
}

}  // namespace consilium::round
