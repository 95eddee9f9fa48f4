#pragma once

#include <string>
#include <utility>
#include <vector>

#include "coordinator/round/round_machine.h"

/// The machine's steps, shared by its sources alone.
namespace consilium::round {

/// A transition under way: the state being changed, and the effects so far.
struct Step {
  State& state;
  TimePoint now{};
  std::vector<Effect> effects;

  void emit(Action action) { effects.push_back({++state.last_effect, std::move(action)}); }
};

/// Bytes kept of a reason that a site gave, and shown of each in a list of several.
inline constexpr std::size_t kMaxReason = 1000;
inline constexpr std::size_t kMaxListedReason = 300;
/// Cuts UTF-8 text to at most `max_bytes`, between characters, and marks the cut.
[[nodiscard]] std::string shorten(const std::string& text, std::size_t max_bytes);

/// Joins "name: reason" of the first few, and says how many more there are.
class ReasonList {
 public:
  void add(const std::string& name, const std::string& reason);
  [[nodiscard]] std::string text() const;

 private:
  std::string text_;
  std::size_t count_ = 0;
};

// round_boundary.cpp

/// Does the job still wait for every listed site? The census of a masked job makes its members, for good.
[[nodiscard]] bool awaits_all(const State& state);
/// Does a masked job wait for a person at some site to approve it? Its members are fixed for good afterwards, so it
/// waits as long as it recruits.
[[nodiscard]] bool awaits_approval(const State& state);

/// Says whether enough groups of a session's cohort can be complete: they are, or all their members are there. Where a
/// group has failed and nobody of the others is away, the session can end, which is as good.
[[nodiscard]] Readiness readiness_over_groups(const State& state, const Answers& answers);

/// Starts the next session where it can, else waits; ends the job after its last round, or where waiting is vain.
void continue_recruiting(Step& step);
/// Enters the wait before the next session.
void recruit(Step& step);
/// Says which round was best, to be put behind how the job ended; "" where rounds aren't compared.
[[nodiscard]] std::string best_in_words(const State& state);
/// Opens the evaluation of the round just committed where one is due, else goes on to the next round.
void evaluate_or_recruit(Step& step);

// round_outcome.cpp

/// May a session be concluded though not everybody has answered? Over whole groups only with the quorum of groups, for
/// any other session at its deadline.
[[nodiscard]] bool may_conclude(const State& state, const Collecting& session);

/// Closes the session under way with what there is: a sum to be committed, another attempt, or the job's end.
void conclude(Step& step);
/// Takes in that the masks are off the sum of `session`.
void unmasked(Step& step, Collecting session, const Unmasked& event);
/// Takes in that the sum of `session` is committed, or why not: its masks can't be taken off, or it can't be stored.
void committed(Step& step, const Collecting& session, const Committed& event);
void commit_failed(Step& step, const Collecting& session, const std::string& reason);
/// Gives up a session that nobody has confirmed; a round's training is tried anew, up to kMaxAttempts.
void abandon(Step& step, Collecting session, const std::string& reason);
void end_job(Step& step, Outcome outcome, std::string message);

}  // namespace consilium::round
