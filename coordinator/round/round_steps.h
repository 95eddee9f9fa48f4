#pragma once

#include <string>
#include <utility>
#include <vector>

#include "coordinator/round/round_machine.h"

/// The machine's steps. Included only by the machine's own sources.
namespace consilium::round {

/// A transition in progress: the state being changed, and the effects so far.
struct Step {
  State& state;
  TimePoint now{};
  std::vector<Effect> effects;

  void emit(Action action) { effects.push_back({++state.last_effect, std::move(action)}); }
};

/// How many bytes of a site's reason are kept, and how many are shown for each reason in a list.
inline constexpr std::size_t kMaxReason = 1000;
inline constexpr std::size_t kMaxListedReason = 300;
/// Shortens UTF-8 text to at most `max_bytes` without splitting a character, and marks the cut.
[[nodiscard]] std::string shorten(const std::string& text, std::size_t max_bytes);

/// The reasons of sites that took too long, and of those that disconnected, begin with these words.
inline constexpr std::string_view kLate = "no answer";
inline constexpr std::string_view kDisconnected = "disconnected";

/// Joins "name: reason" for the first few entries, and says how many more there are.
class ReasonList {
 public:
  void add(const std::string& name, const std::string& reason);
  [[nodiscard]] std::string text() const;

 private:
  std::string text_;
  std::size_t count_ = 0;
};

// round_boundary.cpp

/// Returns true while the job still waits for every listed site, because the census of a masked job determines its
/// members permanently.
[[nodiscard]] bool awaits_all(const State& state);
/// Returns true while a masked job waits for a person at some site to approve it. It waits as long as it recruits,
/// because its members are permanent once they are counted.
[[nodiscard]] bool awaits_approval(const State& state);

/// Returns whether enough groups of a session's cohort can be complete. A group counts if it is complete, or if all its
/// members are available. If a group has failed and no member of the other groups is missing, the session can end, so
/// the job counts as able.
[[nodiscard]] Readiness readiness_over_groups(const State& state, const Answers& answers);

/// Starts the next session if possible, or waits. Ends the job after its last round, or if waiting is pointless.
void continue_recruiting(Step& step);
/// Enters the wait before the next session.
void recruit(Step& step);
/// Returns text that says which round was best, to be appended to the job's final message; "" if rounds aren't
/// compared.
[[nodiscard]] std::string best_in_words(const State& state);
/// Opens the evaluation of the round just committed if one is due, or else continues with the next round.
void evaluate_or_recruit(Step& step);

// round_outcome.cpp

/// Returns true if a session may be concluded before every site has answered. A session over whole groups needs the
/// quorum of groups; any other may be concluded at its deadline.
[[nodiscard]] bool may_conclude(const State& state, const Collecting& session);

/// Closes the current session with the answers that it has. The sum is committed, another attempt is made, or the job
/// ends.
void conclude(Step& step);
/// Handles the removal of the masks from the sum of `session`.
void unmasked(Step& step, Collecting session, const Unmasked& event);
/// Handles the commit of the sum of `session`, or its failure: the masks can't be removed, or the result can't be
/// stored.
void committed(Step& step, const Collecting& session, const Committed& event);
void commit_failed(Step& step, const Collecting& session, const std::string& reason);
/// Abandons a session before any site was asked to confirm. A round's training is attempted again, up to kMaxAttempts.
void abandon(Step& step, Collecting session, const std::string& reason);
void end_job(Step& step, Outcome outcome, std::string message);

}  // namespace consilium::round
