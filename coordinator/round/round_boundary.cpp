// Between sessions: who is there, what comes next, and with whom.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "common/job/cohort_rules.h"
#include "coordinator/round/cohort.h"
#include "coordinator/round/round_steps.h"

namespace consilium::round {

namespace {

using Names = std::vector<std::string>;

template <class Predicate>
Names names_where(const State& state, Predicate predicate) {
  Names names;
  for (const auto& [name, site] : state.sites) {
    if (predicate(site)) names.push_back(name);
  }
  return names;
}

/// Ready, and counted or to be counted.
bool fit(const SiteState& site) { return site.ready() && !site.unfit; }
bool newcomer(const SiteState& site) { return fit(site) && !site.member; }
bool can_train(const SiteState& site) { return site.ready() && site.trains(); }

/// Has the census made the members for good?
bool members_are_fixed(const State& state) { return state.rules.masked && state.normaliser > 0; }

template <class Predicate>
std::size_t count_where(const State& state, Predicate predicate) {
  return static_cast<std::size_t>(std::count_if(state.sites.begin(), state.sites.end(),
                                                [&](const auto& entry) { return predicate(entry.second); }));
}

/// Sites that count for minimum_sites.
std::size_t taking_part(const State& state) { return count_where(state, members_are_fixed(state) ? can_train : fit); }

void open(Step& step, job::SessionKey key, const Names& cohort, bool counts_all) {
  State& state = step.state;
  Collecting session;
  session.key = std::move(key);
  for (const std::string& site : cohort) session.answers.emplace(site, Answer{});
  session.pending = cohort.size();
  session.counts_all = counts_all;
  session.deadline = step.now + state.rules.deadline;
  const std::uint64_t normaliser = session.key.kind == job::SumKind::kCensus ? 0 : state.normaliser;
  step.emit(OpenSession{session.key, cohort, normaliser});
  state.phase = std::move(session);
}

void open_census(Step& step, const Names& cohort, bool counts_all) {
  State& state = step.state;
  open(step, {state.rules.job_id, job::SumKind::kCensus, 0, ++state.census_attempt}, cohort, counts_all);
}

/// Counts the connected sites whose answers to the job are still to be waited for.
std::size_t answers_owed(Step& step) {
  std::size_t owed = 0;
  for (auto& [name, site] : step.state.sites) {
    if (!site.connected || site.consent != Consent::kAsked || site.overdue) continue;
    if (step.now >= site.asked_at + step.state.rules.answer_limit) {
      site.overdue = true;
    } else {
      ++owed;
    }
  }
  return owed;
}

/// Can the listed sites never be enough, whoever comes?
bool hopeless(const State& state) {
  if (state.rules.listed.empty()) return false;
  if (members_are_fixed(state)) {
    const auto may_come = [](const SiteState& site) { return site.member && site.consent != Consent::kDeclined; };
    return count_where(state, may_come) < state.rules.minimum_sites;
  }
  const std::size_t out =
      count_where(state, [](const SiteState& site) { return site.consent == Consent::kDeclined || site.unfit; });
  return state.rules.listed.size() - out < state.rules.minimum_sites;
}

/// Members that an evaluation asks: in a masked job those of groups that are complete, for others' counts can't be
/// summed.
Names to_evaluate(const State& state) {
  std::set<std::uint32_t> incomplete;
  for (const auto& [name, site] : state.sites) {
    const auto group = state.rules.count_groups.find(name);
    if (group != state.rules.count_groups.end() && site.member && !site.ready()) incomplete.insert(group->second);
  }
  Names names;
  for (const auto& [name, site] : state.sites) {
    const auto group = state.rules.count_groups.find(name);
    const bool counts = group == state.rules.count_groups.end() || !incomplete.contains(group->second);
    if (site.ready() && site.member && counts) names.push_back(name);
  }
  return names;
}

/// Is there somebody to count or to train with?
bool has_work(const State& state) {
  return state.normaliser == 0 || state.recount || (!state.rules.masked && count_where(state, newcomer) > 0) ||
         count_where(state, can_train) > 0;
}

void give_up_where_vain(Step& step) {
  const State& state = step.state;
  if (hopeless(state)) {
    end_job(step, Outcome::kFailed,
            fmt::format(
                "too few of the listed sites take part: {}; change their policies or lower federation.minimum_sites",
                waiting_for(state)));
  } else if (step.now >= std::get<Recruiting>(state.phase).since + state.rules.recruiting_limit) {
    end_job(step, Outcome::kFailed, fmt::format("not enough sites came: {}", waiting_for(state)));
  }
}

/// Opens the next session, with whoever is there.
void open_next(Step& step) {
  State& state = step.state;
  if (state.normaliser == 0 || state.recount) {
    open_census(step, names_where(state, fit), true);
  } else if (!state.rules.masked && count_where(state, newcomer) > 0) {
    open_census(step, names_where(state, newcomer), false);
  } else if (const Names present = names_where(state, can_train); !present.empty()) {
    const std::size_t trainers = count_where(state, [](const SiteState& site) { return site.trains(); });
    const std::uint32_t round = state.round + 1;
    const Names cohort =
        draw_cohort(state.rules.seed, round, present, job::cohort_size(state.rules.fraction, trainers));
    open(step, {state.rules.job_id, job::SumKind::kTrain, round, state.attempt}, cohort, false);
  } else {
    give_up_where_vain(step);
  }
}

}  // namespace

bool awaits_all(const State& state) {
  if (!state.rules.masked || members_are_fixed(state)) return false;
  if (taking_part(state) < state.rules.minimum_sites) return false;  // then it waits for these, however long
  const auto settled = [&](const std::string& name) {
    const auto found = state.sites.find(name);
    if (found == state.sites.end()) return false;
    const SiteState& site = found->second;
    return fit(site) || site.unfit || site.consent == Consent::kDeclined || site.overdue;
  };
  return !std::all_of(state.rules.listed.begin(), state.rules.listed.end(), settled);
}

void recruit(Step& step) {
  if (step.state.round >= step.state.rules.rounds) {
    end_job(step, Outcome::kFinished, fmt::format("finished {} rounds", step.state.round));
    return;
  }
  step.state.phase = Recruiting{step.now};
  continue_recruiting(step);
}

void continue_recruiting(Step& step) {
  State& state = step.state;
  auto& recruiting = std::get<Recruiting>(state.phase);
  // The time that a job waits for a slot doesn't count as time that it waits for sites.
  if (std::exchange(recruiting.readiness, Readiness::kLacking) == Readiness::kAble) recruiting.since = step.now;
  const std::size_t owed = answers_owed(step);
  const std::size_t taking = taking_part(state);
  if (owed > 0 && taking + owed >= state.rules.minimum_sites) recruiting.readiness = Readiness::kAsking;
  if (taking < state.rules.minimum_sites) {
    give_up_where_vain(step);
    return;
  }
  if (owed > 0) return;
  if (awaits_all(state) && step.now < recruiting.since + state.rules.deadline) return;
  if (!state.has_slot && has_work(state)) {
    recruiting.readiness = Readiness::kAble;
    return;
  }
  open_next(step);
}

void evaluate_or_recruit(Step& step) {
  const State& state = step.state;
  const std::uint32_t every = state.rules.evaluate_every;
  const bool due = every > 0 && (state.round % every == 0 || state.round == state.rules.rounds);
  const Names present = to_evaluate(state);
  if (due && !present.empty()) {
    open(step, {state.rules.job_id, job::SumKind::kEvaluate, state.round, 1}, present, false);
  } else {
    recruit(step);
  }
}

std::string waiting_for(const State& state) {
  ReasonList reasons;
  for (const auto& [name, site] : state.sites) {
    if (site.consent == Consent::kDeclined) {
      reasons.add(name, "declined: " + site.reason);
    } else if (site.unfit) {
      reasons.add(name, "census failed: " + site.reason);
    } else if (site.connected && site.consent == Consent::kAsked) {
      reasons.add(name, "has not answered yet");
    } else if (!site.connected && (site.member || state.rules.listed.contains(name))) {
      reasons.add(name, "is not connected");
    }
  }
  for (const std::string& name : state.rules.listed) {
    if (!state.sites.contains(name)) reasons.add(name, "is not connected");
  }
  const std::string listed = reasons.text();
  return fmt::format("waiting for {} sites, {} accepted{}{}", state.rules.minimum_sites, taking_part(state),
                     listed.empty() ? "" : "; ", listed);
}

}  // namespace consilium::round
