// What happens between sessions: which sites are available, what comes next, and with which sites.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "common/job/cohort_draw.h"
#include "common/job/cohort_rules.h"
#include "coordinator/round/decline_advice.h"
#include "coordinator/round/round_steps.h"

namespace consilium::round {

namespace {

using Names = std::vector<std::string>;

template <class Predicate>
Names names_where(const State& state, Predicate predicate) {
  Names names;
  for (const auto& [name, site] : state.sites) {
    if (std::invoke(predicate, site)) names.push_back(name);
  }
  return names;
}

/// Returns true once the census has determined the members permanently.
bool members_are_fixed(const State& state) { return state.rules.masked && state.normaliser > 0; }

/// Returns how many sites count towards minimum_sites.
std::size_t taking_part(const State& state) {
  return members_are_fixed(state) ? state.sites.counts().can_train : state.sites.counts().fit;
}

void open(Step& step, job::SessionKey key, const Names& cohort, bool counts_all) {
  State& state = step.state;
  Collecting session;
  session.key = std::move(key);
  for (const std::string& site : cohort) session.answers.emplace(site, Answer{});
  session.pending = cohort.size();
  session.counts_all = counts_all;
  session.opened = step.now;
  session.deadline = step.now + state.rules.deadline;
  const bool census = session.key.kind == job::SumKind::kCensus;
  step.emit(
      OpenSession{session.key, cohort, census ? 0 : state.normaliser, census ? task::LabelCounts{} : state.labels});
  state.phase = std::move(session);
}

void open_census(Step& step, const Names& cohort, bool counts_all) {
  State& state = step.state;
  open(step, {state.rules.job_id, job::SumKind::kCensus, 0, ++state.census_attempt}, cohort, counts_all);
}

/// Returns how many connected sites owe the job an answer that it still waits for.
std::size_t answers_owed(Step& step) {
  step.state.sites.let_answers_lapse(step.now - step.state.rules.answer_limit);
  return step.state.sites.answers_owed();
}

/// Returns true if there can't be enough of the listed sites any more, whichever of them connect.
bool hopeless(const State& state) {
  if (state.rules.listed.empty()) return false;
  if (members_are_fixed(state)) return state.sites.counts().may_come < state.rules.minimum_sites;
  return state.rules.listed.size() - state.sites.counts().out < state.rules.minimum_sites;
}

/// Returns the members to be evaluated. In a masked job these are the members of complete groups, because the counts of
/// other groups can't be summed.
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

/// Returns true if there are sites to count or to train with.
bool has_work(const State& state) {
  return state.normaliser == 0 || state.recount || (!state.rules.masked && state.sites.counts().newcomers > 0) ||
         state.sites.counts().can_train > 0;
}

/// Returns the sites of the groups that a session covers: all groups in a census, and later those that the census
/// counted.
Names grouped_cohort(const State& state, job::SumKind kind, std::uint32_t round) {
  const auto is_member = [&](const std::string& name) {
    const auto site = state.sites.find(name);
    return site != state.sites.end() && site->second.member;
  };
  const auto total = static_cast<std::uint32_t>(state.rules.groups.size());
  std::vector<std::uint32_t> counted;
  for (std::uint32_t i = 0; i < total; ++i) {
    if (std::ranges::all_of(state.rules.groups[i], is_member)) counted.push_back(i);
  }
  Names names;
  for (const std::uint32_t i :
       job::groups_summed({state.rules.seed, state.rules.fraction, total}, kind, round, counted)) {
    const Names& group = state.rules.groups[i];
    names.insert(names.end(), group.begin(), group.end());
  }
  std::ranges::sort(names);
  return names;
}

/// Opens the next session over whole groups. The session itself waits for missing sites.
void open_over_groups(Step& step) {
  State& state = step.state;
  if (state.normaliser == 0) {
    open_census(step, grouped_cohort(state, job::SumKind::kCensus, 0), true);
    return;
  }
  const std::uint32_t round = state.round + 1;
  open(step, {state.rules.job_id, job::SumKind::kTrain, round, 1}, grouped_cohort(state, job::SumKind::kTrain, round),
       false);
}

/// Returns the answers of the next session's cohort over whole groups, before any site has answered.
Answers next_answers_over_groups(const State& state) {
  const bool census = state.normaliser == 0;
  const auto kind = census ? job::SumKind::kCensus : job::SumKind::kTrain;
  Answers answers;
  for (const std::string& site : grouped_cohort(state, kind, census ? 0 : state.round + 1))
    answers.emplace(site, Answer{});
  return answers;
}

/// Waits without a slot until enough groups are available. With a slot the session opens, and itself waits for sites.
void wait_for_groups(Step& step) {
  State& state = step.state;
  if (state.has_slot) return open_over_groups(step);
  auto& recruiting = std::get<Recruiting>(state.phase);
  const bool was_able = recruiting.readiness == Readiness::kAble;
  answers_owed(step);
  recruiting.readiness = readiness_over_groups(state, next_answers_over_groups(state));
  if (recruiting.readiness == Readiness::kAble) return;
  if (was_able) recruiting.since = step.now;
  if (step.now >= recruiting.since + state.rules.recruiting_limit)
    end_job(step, Outcome::kFailed, fmt::format("not enough groups were complete: {}", waiting_for(state)));
}

/// Returns advice about the first site that declined.
std::string advice_about_first(const State& state) {
  for (const auto& [name, site] : state.sites) {
    if (site.consent == Consent::kDeclined) return fmt::format("{}: {}", name, advice_about(site.reason));
  }
  return "ask these hospitals";
}

void give_up_where_vain(Step& step) {
  const State& state = step.state;
  // Wait for the answers of all sites that have been asked, so that the job's final message names every site that
  // declined, not only the fastest.
  if (hopeless(state) && state.sites.answers_owed() == 0) {
    end_job(step, Outcome::kFailed,
            fmt::format("too few of the listed sites take part: {}; {}, or lower federation.minimum_sites",
                        waiting_for(state), advice_about_first(state)));
  } else if (step.now >= std::get<Recruiting>(state.phase).since + state.rules.recruiting_limit) {
    end_job(step, Outcome::kFailed, fmt::format("not enough sites took part: {}", waiting_for(state)));
  }
}

/// Opens the next session with the available sites.
void open_next(Step& step) {
  State& state = step.state;
  if (state.normaliser == 0 || state.recount) {
    open_census(step, names_where(state, &SiteState::fit), true);
  } else if (!state.rules.masked && state.sites.counts().newcomers > 0) {
    open_census(step, names_where(state, &SiteState::newcomer), false);
  } else if (const Names present = names_where(state, &SiteState::can_train); !present.empty()) {
    const std::uint32_t round = state.round + 1;
    const Names cohort = job::draw_cohort(state.rules.seed, round, present,
                                          job::cohort_size(state.rules.fraction, state.sites.counts().train));
    open(step, {state.rules.job_id, job::SumKind::kTrain, round, state.attempt}, cohort, false);
  } else {
    give_up_where_vain(step);
  }
}

}  // namespace

bool awaits_approval(const State& state) {
  if (!state.rules.masked || members_are_fixed(state)) return false;
  return state.sites.counts().waiting > 0;
}

Readiness readiness_over_groups(const State& state, const Answers& answers) {
  std::size_t drawn = 0, good = 0, asked = 0, away = 0;
  for (const auto& group : state.rules.groups) {
    if (!answers.contains(group.front())) continue;
    ++drawn;
    bool failed = false, there = true, soon = true;
    for (const std::string& name : group) {
      const Answer& answer = answers.at(name);
      const auto site = state.sites.find(name);
      const bool ready = site != state.sites.end() && site->second.ready();
      const bool answers_soon = site != state.sites.end() && site->second.owes_answer();
      const bool pending = answer.standing == Standing::kPending;
      failed = failed || answer.standing == Standing::kFailed;
      there = there && (!pending || ready);
      soon = soon && (!pending || ready || answers_soon);
    }
    if (failed) continue;
    if (there) {
      ++good;
    } else {
      ++away;
      if (soon) ++asked;
    }
  }
  const std::size_t needed = job::answers_needed(state.rules.quorum, drawn);
  if (good >= needed || away == 0) return Readiness::kAble;
  return good + asked >= needed ? Readiness::kAsking : Readiness::kLacking;
}

bool awaits_all(const State& state) {
  if (sums_whole_groups(state.rules)) return false;  // it waits in its session, or for a slot
  if (!state.rules.masked || members_are_fixed(state)) return false;
  if (taking_part(state) < state.rules.minimum_sites) return false;  // it then waits for more sites, however long
  if (awaits_approval(state)) return true;
  const auto settled = [&](const std::string& name) {
    const auto found = state.sites.find(name);
    if (found == state.sites.end()) return false;
    const SiteState& site = found->second;
    return site.fit() || site.unfit || site.consent == Consent::kDeclined || site.overdue;
  };
  return !std::all_of(state.rules.listed.begin(), state.rules.listed.end(), settled);
}

void recruit(Step& step) {
  if (step.state.round >= step.state.rules.rounds) {
    end_job(step, Outcome::kFinished, fmt::format("finished {} rounds{}", step.state.round, best_in_words(step.state)));
    return;
  }
  step.state.phase = Recruiting{step.now};
  continue_recruiting(step);
}

std::string best_in_words(const State& state) {
  if (!state.best) return "";
  return fmt::format("; the best round by {} was round {}, with {:.6g}{}", state.rules.metric, state.best->round,
                     state.best->value, state.rules.keep_best ? ", whose model is kept" : "");
}

void continue_recruiting(Step& step) {
  State& state = step.state;
  if (sums_whole_groups(state.rules)) return wait_for_groups(step);
  auto& recruiting = std::get<Recruiting>(state.phase);
  const bool was_able = std::exchange(recruiting.readiness, Readiness::kLacking) == Readiness::kAble;
  const std::size_t owed = answers_owed(step);
  const std::size_t taking = taking_part(state);
  if (owed > 0 && taking + owed >= state.rules.minimum_sites) recruiting.readiness = Readiness::kAsking;
  if (taking < state.rules.minimum_sites) {
    // Time that a job spends waiting for a slot doesn't count as time waiting for sites.
    if (was_able) recruiting.since = step.now;
    give_up_where_vain(step);
    return;
  }
  if (owed > 0) return;
  if (awaits_approval(state) && step.now < recruiting.since + state.rules.recruiting_limit) return;
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
  const bool grouped = sums_whole_groups(state.rules);
  const Names present = grouped ? grouped_cohort(state, job::SumKind::kEvaluate, state.round) : to_evaluate(state);
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
    } else if (site.consent == Consent::kWaits) {
      reasons.add(name, "waits for approval at " + name);
    }
  }
  for (const std::string& name : state.rules.listed) {
    if (!state.sites.contains(name)) reasons.add(name, "is not connected");
  }
  const std::string listed = reasons.text();
  if (sums_whole_groups(state.rules)) {
    const auto there = [&](const std::vector<std::string>& group) {
      return std::ranges::all_of(group, [&](const std::string& name) {
        const auto site = state.sites.find(name);
        return site != state.sites.end() && site->second.ready();
      });
    };
    return fmt::format("waiting for groups whose sites are all connected: {} of {} are{}{}",
                       std::ranges::count_if(state.rules.groups, there), state.rules.groups.size(),
                       listed.empty() ? "" : "; ", listed);
  }
  return fmt::format("waiting for {} sites, {} accepted{}{}", state.rules.minimum_sites, taking_part(state),
                     listed.empty() ? "" : "; ", listed);
}

}  // namespace consilium::round
