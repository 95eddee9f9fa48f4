#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "coordinator/round/round_machine.h"

namespace consilium::round {

/// Plays events to a machine and keeps its effects, as a driver would, but under the test's control.
struct Play {
  State state;
  TimePoint now{std::chrono::hours(1)};
  std::vector<Effect> effects;   ///< all of them
  std::optional<Error> refused;  ///< of the last event

  explicit Play(Rules rules) : state(initial_state(std::move(rules))) {}

  /// Returns the event's own effects.
  std::vector<Effect> tell(const Event& event) {
    Transition transition = advance(state, event, now);
    state = std::move(transition.state);
    refused = transition.refused;
    effects.insert(effects.end(), transition.effects.begin(), transition.effects.end());
    return transition.effects;
  }

  void join(const std::string& site) {
    tell(SiteConnected{site});
    tell(SiteAccepted{site});
  }

  [[nodiscard]] const Collecting* session() const { return std::get_if<Collecting>(&state.phase); }
  [[nodiscard]] bool collecting(job::SumKind kind, std::uint32_t round) const {
    return session() != nullptr && session()->key.kind == kind && session()->key.round == round;
  }
  [[nodiscard]] std::vector<std::string> cohort() const {
    std::vector<std::string> names;
    if (session() != nullptr) {
      for (const auto& [site, answer] : session()->answers) names.push_back(site);
    }
    return names;
  }
  [[nodiscard]] const Ended* ended() const { return std::get_if<Ended>(&state.phase); }

  void answer(const std::string& site, std::optional<std::uint64_t> examples = {},
              Standing standing = Standing::kUpdate) {
    tell(Answered{site, session()->key, standing, examples});
  }
  void fail_site(const std::string& site, const std::string& reason) { tell(Failed{site, session()->key, reason}); }

  /// Removes the masks from the sum, in a masked job.
  void unmask() {
    if (const auto* unmasking = std::get_if<Unmasking>(&state.phase)) tell(Unmasked{unmasking->session.key, {}});
  }

  /// Of the evaluations that follow.
  std::optional<task::Metric> metric{};

  /// Commits the sum that is being closed. In a masked job only the sum has the sites' counts.
  void commit() {
    const Collecting session = std::get<Closing>(state.phase).session;
    std::uint64_t examples = 0;
    for (const auto& [site, answer] : session.answers) {
      const bool counted = state.rules.masked && answer.standing == Standing::kUpdate;
      examples += answer.examples.value_or(counted ? 10 : 0);
    }
    const bool evaluation = session.key.kind == job::SumKind::kEvaluate;
    tell(Committed{session.key, examples, crypto::sha256(job::to_string(session.key)),
                   evaluation ? metric : std::nullopt});
  }

  /// Lets every pending site of the session answer, and commits the sum.
  void complete(std::uint64_t examples = 10) {
    for (const std::string& site : cohort()) {
      if (session()->answers.at(site).standing != Standing::kPending) continue;
      const bool census = session()->key.kind == job::SumKind::kCensus && !state.rules.masked;
      answer(site, census ? std::optional(examples) : std::nullopt);
      if (session() == nullptr) break;
    }
    unmask();
    commit();
  }

  void wait(Clock::duration duration) {
    now += duration;
    tell(Tick{});
  }

  template <class A>
  [[nodiscard]] std::vector<A> actions() const {
    std::vector<A> found;
    for (const Effect& effect : effects) {
      if (const auto* action = std::get_if<A>(&effect.action)) found.push_back(*action);
    }
    return found;
  }
};

}  // namespace consilium::round
