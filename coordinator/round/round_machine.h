#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "coordinator/round/readiness.h"
#include "coordinator/round/round_events.h"
#include "coordinator/round/site_register.h"

/// The course of one job as a pure function over values. It uses no clock, no I/O and no threads.
namespace consilium::round {

/// How many times a round's training is attempted before the job fails.
inline constexpr std::uint32_t kMaxAttempts = 3;

/// What the machine needs to know about a job.
struct Rules {
  std::string job_id;
  std::uint32_t rounds = 1;
  std::set<std::string> listed;  ///< empty: every site that accepts
  double fraction = 1.0;
  std::uint32_t minimum_sites = 1;
  double quorum = 1.0;
  Clock::duration deadline{};  ///< for one session
  std::uint32_t evaluate_every = 0;
  std::string metric;          ///< the metric by which rounds are compared; empty: they aren't compared
  std::uint32_t patience = 0;  ///< the job ends after so many evaluations without a better one; 0: it doesn't
  bool keep_best = false;
  std::uint64_t seed = 0;
  /// Masked jobs: the one census determines the members permanently, and a sum must be unmasked before it is read.
  bool masked = false;
  std::map<std::string, std::uint32_t> count_groups;  ///< masked: the group in which each site's counts are summed
  /// Mode masked: the groups, each summed completely or not at all. Given a slot, the job opens a session at once,
  /// which waits until enough groups are complete (GroupSums makes the attempts). `minimum_sites` isn't used.
  std::vector<std::vector<std::string>> groups;
  Clock::duration answer_limit =
      std::chrono::seconds(5);  ///< how long a round waits for a connected site's answer to the job
  Clock::duration recruiting_limit = std::chrono::hours(24);  ///< how long a job waits for enough sites before it fails
};
[[nodiscard]] inline bool sums_whole_groups(const Rules& rules) { return !rules.groups.empty(); }
[[nodiscard]] Rules rules_of(const std::string& job_id, const job::JobSpec& spec);

// Phases.

struct Queued {};
/// Between sessions: waits until enough sites are available and the job has a slot.
struct Recruiting {
  TimePoint since{};  ///< when the job began to lack what it is waiting for
  Readiness readiness = Readiness::kLacking;
};
/// A session is open to its cohort.
struct Collecting {
  job::SessionKey key;
  Answers answers;
  std::size_t pending = 0;
  bool counts_all = false;  ///< census: counts all sites, not only newcomers
  TimePoint opened{};
  TimePoint
      deadline{};  ///< over whole groups: first when the quorum of groups becomes enough, then when the session fails
};
/// A masked session's vectors have arrived, and its survivors are asked to help remove the masks. The session is never
/// abandoned for another attempt, because the sums of two attempts could differ by a single site.
struct Unmasking {
  Collecting session;
  TimePoint until{};  ///< sites that must confirm may reconnect until then
};
/// A session is closed, and its sum is being turned into its result.
struct Closing {
  Collecting session;
  TimePoint until{};  ///< a commit that takes longer counts as failed
};
struct Ended {
  Outcome outcome = Outcome::kFinished;
  std::string message;
};
using Phase = std::variant<Queued, Recruiting, Collecting, Unmasking, Closing, Ended>;

/// The best round so far, by the metric of the job's evaluations.
struct BestRound {
  std::uint32_t round = 0;
  double value = 0.0;
  std::uint32_t since = 0;  ///< number of evaluations since then, none of them better
};

struct State {
  Rules rules;
  Phase phase;
  SiteRegister sites;
  std::uint32_t round = 0;              ///< last committed round
  std::uint32_t attempt = 1;            ///< at training the next round
  std::uint32_t census_attempt = 0;     ///< number of the last census
  std::uint64_t normaliser = 0;         ///< N; 0 before the first census
  task::LabelCounts labels{};           ///< from the census that determined N
  std::uint64_t member_examples = 0;    ///< of all members so far
  bool recount = false;                 ///< the next census counts all sites, because newcomers brought the sum to 2 N
  std::optional<crypto::Digest> model;  ///< of the last committed round
  std::optional<BestRound> best;
  std::uint64_t last_effect = 0;
  bool has_slot = true;  ///< the job may open sessions
};
[[nodiscard]] State initial_state(Rules rules);

struct Transition {
  State state;
  std::vector<Effect> effects;
  std::optional<Error>
      refused;  ///< set if the event doesn't fit; the state is then unchanged, and there are no effects
};

/// Applies one event. Refuses, with a reason, events that are late or repeated, or that belong to another session or
/// site.
[[nodiscard]] Transition advance(State state, const Event& event, TimePoint now);

/// Checks that the session is open to this site and still expects its answer.
Result<void> admits(const State& state, const std::string& site, const job::SessionKey& key);

/// Returns true if the job wants this site.
[[nodiscard]] bool wants(const Rules& rules, const std::string& site);

/// Returns when a Tick will change something, unless another event comes first.
[[nodiscard]] std::optional<TimePoint> next_wakeup(const State& state);

/// Returns whether the job, while it waits for a session to begin, could open one. Has no value while a session is
/// open, or once the job has ended. A session over whole groups itself waits for sites; for it, returns whether enough
/// of its groups can be complete.
[[nodiscard]] std::optional<Readiness> readiness_of(const State& state);

/// Returns when a job that lacks sites fails, unless enough of them connect before.
[[nodiscard]] std::optional<TimePoint> gives_up_at(const State& state);

/// Describes what a job between sessions is waiting for: "waiting for 3 sites, 1 accepted; west: declined: ...".
[[nodiscard]] std::string waiting_for(const State& state);

}  // namespace consilium::round
