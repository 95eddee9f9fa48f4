// The ways in which sessions end.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/job/cohort_rules.h"
#include "common/job/strategies.h"
#include "coordinator/round/round_steps.h"

namespace consilium::round {

namespace {

struct Tally {
  std::size_t updates = 0;
  std::size_t partial = 0;
};

Tally tally(const Answers& answers) {
  Tally tally;
  for (const auto& [site, answer] : answers) {
    if (answer.standing == Standing::kUpdate) ++tally.updates;
    if (answer.standing == Standing::kPartial) ++tally.partial;
  }
  return tally;
}

std::string to_text(Clock::duration duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  if (seconds >= 60 && seconds % 60 == 0) return fmt::format("{}m", seconds / 60);
  if (seconds >= 1) return fmt::format("{}s", seconds);
  return fmt::format("{}ms", std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

/// Returns text such as "south: training failed: ...; west: no answer within 15m".
std::string reasons_of(const Answers& answers) {
  ReasonList reasons;
  for (const auto& [site, answer] : answers) {
    if (answer.standing == Standing::kFailed) reasons.add(site, answer.reason);
  }
  return reasons.text();
}

Collecting take_session(Step& step) {
  Collecting session = std::move(std::get<Collecting>(step.state.phase));
  step.state.phase = Recruiting{step.now};
  return session;
}

/// Marks the sites that haven't answered as failed, and informs them.
void fail_the_rest(Step& step, Collecting& session, const std::string& reason, const std::string& told) {
  CancelSession cancel{session.key, {}, told};
  for (auto& [site, answer] : session.answers) {
    if (answer.standing != Standing::kPending) continue;
    answer = {Standing::kFailed, reason, {}};
    cancel.sites.push_back(site);
  }
  session.pending = 0;
  if (!cancel.sites.empty()) step.emit(std::move(cancel));
}

/// Turns a sum that can be read into its result.
void close_readable(Step& step, Collecting session) {
  State& state = step.state;
  CloseSum close{session.key, session.answers, 0, state.member_examples, state.normaliser};
  // A site whose update is in the sum was a member when it was sampled, even if it has declined since.
  const auto counts = [&answers = session.answers](const auto& entry) {
    const auto answer = answers.find(entry.first);
    return entry.second.trains() || (answer != answers.end() && answer->second.standing == Standing::kUpdate);
  };
  close.members = static_cast<std::uint64_t>(std::count_if(state.sites.begin(), state.sites.end(), counts));
  step.emit(std::move(close));
  // Over whole groups, sites check the sum first, and absent sites are waited for.
  const auto limit = sums_whole_groups(state.rules) ? state.rules.recruiting_limit : state.rules.deadline;
  state.phase = Closing{std::move(session), step.now + limit};
}

void close(Step& step, Collecting session) {
  const Rules& rules = step.state.rules;
  if (!rules.masked || sums_whole_groups(rules)) return close_readable(step, std::move(session));
  step.emit(UnmaskSum{session.key});
  step.state.phase = Unmasking{std::move(session), step.now + step.state.rules.deadline};
}

/// Removes the sites that failed in a census from the members, and excludes those that are connected from the job.
void leave_out_failed(State& state, const Answers& answers) {
  for (const auto& entry : answers) {
    const Answer& answer = entry.second;
    if (answer.standing == Standing::kUpdate) continue;
    state.sites.change(entry.first, [&](SiteState& site) {
      if (site.member) state.member_examples -= std::min(state.member_examples, site.examples.value_or(0));
      site.member = false;
      if (!site.ready()) return;
      site.unfit = true;
      site.reason = answer.reason;
    });
  }
}

/// Returns what to do about the sites that failed: more time helps only those that ran out of it.
std::string_view remedy_for(const Answers& answers) {
  const auto some = [&](std::string_view words) {
    return std::ranges::any_of(answers, [&](const auto& entry) {
      return entry.second.standing == Standing::kFailed && entry.second.reason.find(words) != std::string::npos;
    });
  };
  if (some(kLate)) return "raise federation.deadline or lower federation.quorum";
  if (some("resource_exhausted")) return "these hospitals' IT has to free memory or disk space";
  if (some(kDisconnected)) return "submit the job again when these sites are connected, or lower federation.quorum";
  return "the logs of these sites show what has to be repaired there";
}

std::string quorum_missed(const State& state, const Collecting& session, const Tally& tally) {
  const std::size_t cohort = session.answers.size();
  return fmt::format("round {}: {} of {} sites answered, but the quorum of {} needs {}: {}; {}", session.key.round,
                     tally.updates + tally.partial, cohort, state.rules.quorum,
                     job::answers_needed(state.rules.quorum, cohort), reasons_of(session.answers),
                     remedy_for(session.answers));
}

/// In a masked job, informs the sites that have sent their vectors, because they wait to confirm or to reveal.
void drop(Step& step, Collecting session, std::string reason) {
  CancelSession cancel{session.key, {}, "the session ended without a result"};
  for (const auto& [site, answer] : session.answers) {
    if (step.state.rules.masked && answer.standing == Standing::kUpdate) cancel.sites.push_back(site);
  }
  if (!cancel.sites.empty()) step.emit(std::move(cancel));
  step.emit(DropSum{session.key, std::move(reason), std::move(session.answers)});
}

void conclude_training(Step& step, Collecting session) {
  State& state = step.state;
  const Tally counted = tally(session.answers);
  const bool quorum =
      sums_whole_groups(state.rules)
          ? may_conclude(state, session)
          : counted.updates + counted.partial >= job::answers_needed(state.rules.quorum, session.answers.size());
  if (quorum && counted.updates > 0) {
    close(step, std::move(session));
    return;
  }
  const bool all_partial = quorum && counted.updates == 0;
  const std::string reason =
      all_partial
          ? fmt::format(
                "round {}: every answer was partial, and the strategy drops partial work, so no update is left; raise "
                "training.time_limit, lower training.local_epochs, or use a strategy that keeps partial work ({})",
                session.key.round,
                job::strategy_names([](const job::StrategyTraits& strategy) { return strategy.keeps_partial_work; }))
          : quorum_missed(state, session, counted);
  drop(step, std::move(session), reason);
  if (all_partial || state.attempt >= kMaxAttempts || sums_whole_groups(state.rules)) {
    end_job(step, Outcome::kFailed, reason);
    return;
  }
  ++state.attempt;
  recruit(step);
}

void count_members(Step& step, const Collecting& session, std::uint64_t examples) {
  State& state = step.state;
  leave_out_failed(state, session.answers);
  for (const auto& entry : session.answers) {
    const Answer& answer = entry.second;
    if (answer.standing != Standing::kUpdate) continue;
    state.sites.change(entry.first, [&](SiteState& site) {
      if (site.consent == Consent::kDeclined &&
          !state.rules.masked) {  // it has reconnected and declined since it answered
        examples -= std::min(examples, answer.examples.value_or(0));
        return;
      }
      if (site.member) state.member_examples -= std::min(state.member_examples, site.examples.value_or(0));
      site.member = true;
      site.examples = answer.examples;
    });
  }
  state.member_examples += examples;
}

/// Compares a round by the metric of its evaluation. An evaluation without the metric changes nothing.
void compare(Step& step, std::uint32_t round, const std::optional<task::Metric>& metric) {
  State& state = step.state;
  if (!metric || !task::is_comparable(*metric)) return;
  const bool better =
      !state.best || (metric->higher_is_better ? metric->value > state.best->value : metric->value < state.best->value);
  if (!better) {
    ++state.best->since;
    return;
  }
  state.best = BestRound{round, metric->value, 0};
  if (state.rules.keep_best && state.model) step.emit(KeepBest{round, *state.model});
}

bool out_of_patience(const State& state) {
  return state.rules.patience > 0 && state.best && state.best->since >= state.rules.patience &&
         state.round < state.rules.rounds;
}

}  // namespace

bool may_conclude(const State& state, const Collecting& session) {
  if (!sums_whole_groups(state.rules)) return true;
  std::size_t drawn = 0, complete = 0;
  for (const auto& group : state.rules.groups) {
    if (!session.answers.contains(group.front())) continue;
    ++drawn;
    const auto answered = [&](const std::string& site) {
      return session.answers.at(site).standing == Standing::kUpdate;
    };
    if (std::all_of(group.begin(), group.end(), answered)) ++complete;
  }
  return drawn > 0 && complete >= job::answers_needed(state.rules.quorum, drawn);
}

void conclude(Step& step) {
  State& state = step.state;
  Collecting session = take_session(step);
  if (session.pending > 0) {
    const std::string limit = to_text(state.rules.deadline);
    fail_the_rest(step, session, fmt::format("{} within {}", kLate, limit),
                  fmt::format("the session's deadline of {} has passed", limit));
  }
  if (session.key.kind == job::SumKind::kTrain) {
    conclude_training(step, std::move(session));
    return;
  }
  const bool enough = session.key.kind == job::SumKind::kEvaluate || may_conclude(state, session);
  if (enough && tally(session.answers).updates > 0) {
    close(step, std::move(session));
    return;
  }
  const std::string reason =
      fmt::format("{}: {}: {}", job::to_string(session.key),
                  enough ? "no site answered" : "too few groups are complete", reasons_of(session.answers));
  const bool census = session.key.kind == job::SumKind::kCensus;
  if (census) leave_out_failed(state, session.answers);
  drop(step, std::move(session), reason);
  if (census && sums_whole_groups(state.rules)) return end_job(step, Outcome::kFailed, reason);
  recruit(step);
}

void committed(Step& step, const Collecting& session, const Committed& event) {
  State& state = step.state;
  switch (session.key.kind) {
    case job::SumKind::kCensus:
      count_members(step, session, event.examples);
      if (session.counts_all) {
        state.normaliser = state.member_examples;
        state.labels = event.labels;
        state.recount = false;
      } else {
        state.recount = state.member_examples >= 2 * state.normaliser;
      }
      if (state.normaliser == 0) {
        end_job(step, Outcome::kFailed, "no site has training examples; check data.dataset and the sites' data sets");
        return;
      }
      recruit(step);
      return;
    case job::SumKind::kTrain:
      state.round = session.key.round;
      state.attempt = 1;
      state.model = event.model;
      step.emit(Publish{session.key, event.model});
      evaluate_or_recruit(step);
      return;
    case job::SumKind::kEvaluate:
      compare(step, session.key.round, event.metric);
      if (out_of_patience(state)) {
        end_job(step, Outcome::kFinished,
                fmt::format("stopped early after round {}: no better {} in {} evaluations{}", state.round,
                            state.rules.metric, state.rules.patience, best_in_words(state)));
        return;
      }
      recruit(step);
      return;
  }
}

void commit_failed(Step& step, const Collecting& session, const std::string& reason) {
  drop(step, session, reason);
  if (session.key.kind == job::SumKind::kEvaluate) {
    recruit(step);
  } else {
    end_job(step, Outcome::kFailed, fmt::format("{}: {}", job::to_string(session.key), reason));
  }
}

void abandon(Step& step, Collecting session, const std::string& reason) {
  State& state = step.state;
  const job::SessionKey key = session.key;
  fail_the_rest(step, session, reason, "the session is started again");
  const bool counted =
      key.kind == job::SumKind::kCensus && !state.rules.masked;  // each newcomer's census counts as an attempt
  const bool again = counted || key.kind == job::SumKind::kEvaluate || key.attempt < kMaxAttempts;
  drop(step, std::move(session), reason);
  if (!again) {
    end_job(step, Outcome::kFailed, fmt::format("{}: {}", job::to_string(key), reason));
    return;
  }
  if (key.kind == job::SumKind::kTrain) ++state.attempt;
  recruit(step);
}

void unmasked(Step& step, Collecting session, const Unmasked& event) {
  for (const auto& [site, reason] : event.left_out) {
    const auto answer = session.answers.find(site);
    if (answer != session.answers.end()) answer->second = {Standing::kFailed, reason, {}};
  }
  close_readable(step, std::move(session));
}

void end_job(Step& step, Outcome outcome, std::string message) {
  State& state = step.state;
  if (std::holds_alternative<Collecting>(state.phase)) {
    Collecting open = take_session(step);
    fail_the_rest(step, open, "the job ended", message);
    drop(step, std::move(open), message);
  } else if (auto* unmasking = std::get_if<Unmasking>(&state.phase)) {
    drop(step, std::move(unmasking->session), message);
  } else if (auto* closing = std::get_if<Closing>(&state.phase)) {
    drop(step, std::move(closing->session), message);
  }
  EndJob end{outcome, message, {}};
  for (const auto& [name, site] : state.sites) {
    if (site.connected && site.consent != Consent::kUnasked && site.consent != Consent::kDeclined)
      end.sites.push_back(name);
  }
  step.emit(std::move(end));
  state.phase = Ended{outcome, std::move(message)};
}

}  // namespace consilium::round
