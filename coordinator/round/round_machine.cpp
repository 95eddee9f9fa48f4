#include "coordinator/round/round_machine.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "common/job/cohort_rules.h"
#include "coordinator/round/round_steps.h"

namespace consilium::round {

namespace {

using Refusal = std::optional<Error>;

Error refusal(ErrorCode code, std::string message) { return Error{code, std::move(message)}; }

/// Applies one event to a state. A handler that refuses the event returns the reason and changes nothing.
class Machine {
 public:
  Machine(State& state, TimePoint now) : step_{state, now, {}} {}

  Refusal operator()(const Begin& event) {
    if (!std::holds_alternative<Queued>(state().phase))
      return refusal(ErrorCode::kFailedPrecondition, "the job has begun already");
    state().has_slot = event.with_slot;
    std::vector<std::string> connected;
    for (const auto& [name, site] : state().sites) {
      if (site.connected) connected.push_back(name);
    }
    for (const std::string& name : connected) ask(name);
    recruit(step_);
    return {};
  }

  Refusal operator()(const SlotGiven&) {
    if (auto no = not_waiting()) return no;
    state().has_slot = true;
    if (auto* session = std::get_if<Collecting>(&state().phase)) restart_wait(*session);
    go_on();
    return {};
  }

  Refusal operator()(const SlotTaken&) {
    if (auto no = not_waiting()) return no;
    state().has_slot = false;
    return {};
  }

  Refusal operator()(const SiteConnected& event) {
    if (auto no = unwanted(event.site)) return no;
    const auto known = state().sites.find(event.site);
    const bool replaced = known != state().sites.end() && known->second.connected;
    state().sites.change(event.site, [](SiteState& site) {
      site.connected = true;
      site.unfit = false;
    });
    if (!std::holds_alternative<Queued>(state().phase)) ask(event.site);
    if (replaced) fail_pending(event.site, "its connection was replaced by a new one");
    go_on();
    return {};
  }

  Refusal operator()(const SiteLeft& event) {
    const auto found = state().sites.find(event.site);
    if (found == state().sites.end() || !found->second.connected)
      return refusal(ErrorCode::kNotFound, event.site + " isn't connected");
    state().sites.change(event.site, [](SiteState& site) { site.connected = false; });
    fail_pending(event.site, std::string(kDisconnected));
    go_on();
    return {};
  }

  Refusal operator()(const SiteAccepted& event) {
    if (auto no = unasked(event.site)) return no;
    state().sites.change(event.site, [](SiteState& site) {
      site.consent = Consent::kAccepted;
      site.reason.clear();
    });
    go_on();
    return {};
  }

  Refusal operator()(const SiteWaits& event) {
    if (auto no = unasked(event.site)) return no;
    state().sites.change(event.site, [](SiteState& site) { site.consent = Consent::kWaits; });
    go_on();
    return {};
  }

  /// A person may withdraw an approval, so a site may decline a job that it already takes part in.
  Refusal operator()(const SiteDeclined& event) {
    const auto found = state().sites.find(event.site);
    if (found == state().sites.end() || !found->second.may_decline()) return awaits_no_answer(event.site);
    const std::string reason = shorten(event.reason, kMaxReason);
    state().sites.change(event.site, [&](SiteState& site) {
      site.consent = Consent::kDeclined;
      site.reason = reason;
      if (!site.member || state().rules.masked) return;
      state().member_examples -= std::min(state().member_examples, site.examples.value_or(0));
      site.member = false;
    });
    fail_pending(event.site, "declined the job: " + reason);
    go_on();
    return {};
  }

  Refusal operator()(const Answered& event) {
    if (auto open = admits(state(), event.site, event.key); !open) return open.error();
    if (event.standing == Standing::kPartial && event.key.kind != job::SumKind::kTrain) {
      return refusal(ErrorCode::kInvalidArgument,
                     fmt::format("{}: only training can be partial", job::to_string(event.key)));
    }
    settle(event.site, {event.standing, "", event.examples});
    return {};
  }

  Refusal operator()(const Failed& event) {
    if (auto open = admits(state(), event.site, event.key); !open) return open.error();
    settle(event.site, {Standing::kFailed, shorten(event.reason, kMaxReason), {}});
    return {};
  }

  Refusal operator()(const SumSpoiled& event) {
    Collecting session;
    if (auto no = not_under_way<Collecting, Unmasking>(event.key, session)) return no;
    abandon(step_, std::move(session), event.reason);
    return {};
  }

  Refusal operator()(const Unmasked& event) {
    Collecting session;
    if (auto no = not_under_way<Unmasking>(event.key, session)) return no;
    unmasked(step_, std::move(session), event);
    return {};
  }

  Refusal operator()(const UnmaskingFailed& event) {
    Collecting session;
    if (auto no = not_under_way<Unmasking>(event.key, session)) return no;
    commit_failed(step_, session, event.reason);
    return {};
  }

  Refusal operator()(const Committed& event) {
    Collecting session;
    if (auto no = not_under_way<Closing>(event.key, session)) return no;
    committed(step_, session, event);
    return {};
  }

  Refusal operator()(const CommitFailed& event) {
    Collecting session;
    if (auto no = not_under_way<Closing>(event.key, session)) return no;
    commit_failed(step_, session, event.reason);
    return {};
  }

  Refusal operator()(const Stop& event) {
    end_job(step_, Outcome::kStopped, event.reason);
    return {};
  }

  Refusal operator()(const Fault& event) {
    end_job(step_, Outcome::kFailed, event.reason);
    return {};
  }

  Refusal operator()(const Tick&) {
    if (auto* session = std::get_if<Collecting>(&state().phase); session != nullptr && step_.now >= session->deadline) {
      overdue(*session);
    } else if (auto* unmasking = std::get_if<Unmasking>(&state().phase);
               unmasking != nullptr && step_.now >= unmasking->until) {
      commit_failed(step_, take_session(*unmasking), "too few of the sites that had confirmed have answered in time");
    } else if (auto* closing = std::get_if<Closing>(&state().phase);
               closing != nullptr && step_.now >= closing->until) {
      commit_failed(step_, take_session(*closing), "the sum was not committed in time");
    } else {
      go_on();
    }
    return {};
  }

  std::vector<Effect> take_effects() { return std::move(step_.effects); }

 private:
  State& state() { return step_.state; }

  void ask(const std::string& name) {
    state().sites.change(name, [this](SiteState& site) {
      site.consent = Consent::kAsked;
      site.asked_at = step_.now;
      site.overdue = false;
    });
    step_.emit(OfferJob{name});
  }

  /// A session over whole groups also waits for sites, possibly without a slot.
  Refusal not_waiting() {
    if (std::holds_alternative<Recruiting>(state().phase)) return {};
    if (std::holds_alternative<Collecting>(state().phase) && sums_whole_groups(state().rules)) return {};
    return refusal(ErrorCode::kFailedPrecondition,
                   fmt::format("job {} is not between two sessions", state().rules.job_id));
  }

  /// Time that a session spends waiting for a slot doesn't count as time waiting for sites.
  void restart_wait(Collecting& session) {
    session.opened = step_.now;
    session.deadline = step_.now + state().rules.deadline;
  }

  Refusal unwanted(const std::string& site) {
    if (wants(state().rules, site)) return {};
    return refusal(ErrorCode::kPermissionDenied,
                   fmt::format("job {} doesn't list the site {}", state().rules.job_id, site));
  }

  Refusal awaits_no_answer(const std::string& name) {
    return refusal(ErrorCode::kFailedPrecondition,
                   fmt::format("job {} expects no answer from {}", state().rules.job_id, name));
  }

  Refusal unasked(const std::string& name) {
    const auto found = state().sites.find(name);
    if (found == state().sites.end() || !found->second.undecided()) return awaits_no_answer(name);
    return {};
  }

  /// Moves the session with this key out of the phase. Refuses if the phase isn't one of `Phases` or holds another
  /// session.
  template <class... Phases>
  Refusal not_under_way(const job::SessionKey& key, Collecting& session) {
    const auto taken = [&](auto* phase) {
      if (phase == nullptr || session_of(*phase).key != key) return false;
      session = take_session(*phase);
      return true;
    };
    if ((taken(std::get_if<Phases>(&state().phase)) || ...)) return {};
    return refusal(ErrorCode::kFailedPrecondition,
                   fmt::format("{} hasn't reached that step, or is past it", job::to_string(key)));
  }

  static Collecting& session_of(Collecting& phase) { return phase; }
  template <class Phase>
  static Collecting& session_of(Phase& phase) {
    return phase.session;
  }
  template <class Phase>
  Collecting take_session(Phase& phase) {
    Collecting session = std::move(session_of(phase));
    state().phase = Recruiting{step_.now};
    return session;
  }

  /// Handles the deadline of a session.
  void overdue(Collecting& session) {
    if (may_conclude(state(), session)) {
      conclude(step_);
    } else if (!state().has_slot && readiness_of(state()) == Readiness::kAble) {
      restart_wait(session);
    } else if (step_.now >= session.opened + state().rules.recruiting_limit) {
      end_job(step_, Outcome::kFailed,
              fmt::format("{}: not enough groups were complete in time", job::to_string(session.key)));
    } else {
      session.deadline = session.opened + state().rules.recruiting_limit;
    }
  }

  void fail_pending(const std::string& site, std::string reason) {
    auto* session = std::get_if<Collecting>(&state().phase);
    // Over whole groups, a site that reconnects continues: its group is waited for, or given up by GroupSums, which
    // counts the attempts.
    if (session == nullptr || sums_whole_groups(state().rules)) return;
    const auto found = session->answers.find(site);
    if (found == session->answers.end() || found->second.standing != Standing::kPending) return;
    settle(site, {Standing::kFailed, std::move(reason), {}});
  }

  void settle(const std::string& site, Answer answer) {
    auto& session = std::get<Collecting>(state().phase);
    session.answers[site] = std::move(answer);
    --session.pending;
    // Over whole groups the quorum is sufficient from the job's deadline on, even if it is reached later.
    const bool late = sums_whole_groups(state().rules) && step_.now >= session.opened + state().rules.deadline;
    if (session.pending == 0 || (late && may_conclude(state(), session))) conclude(step_);
  }

  /// Continues between sessions, because any event may be what the job was waiting for.
  void go_on() {
    if (std::holds_alternative<Recruiting>(state().phase)) continue_recruiting(step_);
  }

  Step step_;
};

}  // namespace

Rules rules_of(const std::string& job_id, const job::JobSpec& spec) {
  Rules rules;
  rules.job_id = job_id;
  rules.rounds = spec.federation.rounds;
  rules.listed = {spec.federation.sites.begin(), spec.federation.sites.end()};
  rules.fraction = spec.federation.fraction;
  rules.minimum_sites = spec.federation.minimum_sites;
  rules.quorum = spec.federation.quorum;
  rules.deadline = spec.federation.deadline;
  rules.evaluate_every = spec.evaluation.every;
  rules.metric = spec.evaluation.metric;
  rules.patience = spec.evaluation.patience;
  rules.keep_best = spec.evaluation.keep_best;
  rules.seed = spec.seed;
  rules.masked = job::is_masked(spec);
  if (rules.masked) {
    for (const std::string& site : spec.federation.sites) rules.count_groups[site] = job::count_group_of(spec, site);
  }
  if (spec.population) rules.groups = spec.population->groups;
  return rules;
}

State initial_state(Rules rules) {
  State state;
  state.rules = std::move(rules);
  return state;
}

Transition advance(State state, const Event& event, TimePoint now) {
  Transition transition{std::move(state), {}, {}};
  if (std::holds_alternative<Ended>(transition.state.phase)) {
    transition.refused =
        refusal(ErrorCode::kFailedPrecondition, fmt::format("job {} has ended", transition.state.rules.job_id));
    return transition;
  }
  Machine machine(transition.state, now);
  transition.refused = std::visit(machine, event);
  transition.effects = machine.take_effects();
  return transition;
}

Result<void> admits(const State& state, const std::string& site, const job::SessionKey& key) {
  const auto refuse = [&](std::string_view why) {
    return fail(ErrorCode::kFailedPrecondition, fmt::format("{}: {}: {}", job::to_string(key), site, why));
  };
  if (std::holds_alternative<Ended>(state.phase)) return refuse("the job has ended");
  if (const auto* closing = std::get_if<Closing>(&state.phase); closing != nullptr && closing->session.key == key) {
    return refuse("the session is closed");
  }
  if (const auto* unmasking = std::get_if<Unmasking>(&state.phase);
      unmasking != nullptr && unmasking->session.key == key) {
    return refuse("the session is closed, and its masks are being removed");
  }
  const auto* session = std::get_if<Collecting>(&state.phase);
  if (session == nullptr) return refuse("no session is open");
  if (session->key != key) return refuse(fmt::format("the session isn't open, {} is", job::to_string(session->key)));
  const auto found = session->answers.find(site);
  if (found == session->answers.end()) return refuse("the site isn't in the session's cohort");
  if (found->second.standing == Standing::kFailed)
    return refuse(fmt::format("the site has failed: {}", found->second.reason));
  if (found->second.standing != Standing::kPending) return refuse("the site has answered already");
  return {};
}

bool wants(const Rules& rules, const std::string& site) { return rules.listed.empty() || rules.listed.contains(site); }

std::optional<Readiness> readiness_of(const State& state) {
  if (const auto* session = std::get_if<Collecting>(&state.phase); session != nullptr && sums_whole_groups(state.rules))
    return readiness_over_groups(state, session->answers);
  const auto* recruiting = std::get_if<Recruiting>(&state.phase);
  return recruiting == nullptr ? std::nullopt : std::optional(recruiting->readiness);
}

std::optional<TimePoint> gives_up_at(const State& state) {
  if (const auto* session = std::get_if<Collecting>(&state.phase); session != nullptr && sums_whole_groups(state.rules))
    return readiness_of(state) == Readiness::kAble ? std::nullopt
                                                   : std::optional(session->opened + state.rules.recruiting_limit);
  const auto* recruiting = std::get_if<Recruiting>(&state.phase);
  if (recruiting == nullptr || recruiting->readiness == Readiness::kAble) return std::nullopt;
  return recruiting->since + state.rules.recruiting_limit;
}

std::optional<TimePoint> next_wakeup(const State& state) {
  if (const auto* session = std::get_if<Collecting>(&state.phase)) return session->deadline;
  if (const auto* unmasking = std::get_if<Unmasking>(&state.phase)) return unmasking->until;
  if (const auto* closing = std::get_if<Closing>(&state.phase)) return closing->until;
  const auto* recruiting = std::get_if<Recruiting>(&state.phase);
  if (recruiting == nullptr || recruiting->readiness == Readiness::kAble) return {};
  TimePoint next = recruiting->since + state.rules.recruiting_limit;
  // While an answer is owed, no session begins, whatever else the job waits for.
  if (const auto asked = state.sites.first_asked()) {
    next = std::min(next, *asked + state.rules.answer_limit);
  } else if (awaits_all(state) && !awaits_approval(state)) {
    next = std::min(next, recruiting->since + state.rules.deadline);
  }
  return next;
}

}  // namespace consilium::round
