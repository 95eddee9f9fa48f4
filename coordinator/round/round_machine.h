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

/// The course of one job as a pure function over values: no clock, no I/O, no thread.
namespace consilium::round {

/// Attempts at a round's training before the job fails.
inline constexpr std::uint32_t kMaxAttempts = 3;

/// What the machine needs to know of a job.
struct Rules {
  std::string job_id;
  std::uint32_t rounds = 1;
  std::set<std::string> listed;  ///< empty: every site that accepts
  double fraction = 1.0;
  std::uint32_t minimum_sites = 1;
  double quorum = 1.0;
  Clock::duration deadline{};  ///< of one session
  std::uint32_t evaluate_every = 0;
  std::string metric;          ///< by which rounds are compared; empty: they aren't
  std::uint32_t patience = 0;  ///< evaluations without a better one after which the job ends; 0: it doesn't
  bool keep_best = false;
  std::uint64_t seed = 0;
  /// Masked jobs: a census happens once and makes the members for good, and a sum has to be unmasked before it is read.
  bool masked = false;
  std::map<std::string, std::uint32_t> count_groups;  ///< masked: which group's counts a site is in
  /// Mode masked: the groups, each summed as a whole or not at all. With a slot a session opens at once and waits until
  /// enough groups are complete (GroupSums makes the attempts); `minimum_sites` doesn't count.
  std::vector<std::vector<std::string>> groups;
  Clock::duration answer_limit =
      std::chrono::seconds(5);  ///< how long a round waits for a connected site's answer to the job
  Clock::duration recruiting_limit = std::chrono::hours(24);  ///< how long a job waits for enough sites before it fails
};
[[nodiscard]] inline bool sums_whole_groups(const Rules& rules) { return !rules.groups.empty(); }
[[nodiscard]] Rules rules_of(const std::string& job_id, const job::JobSpec& spec);

// Phases.

struct Queued {};
/// Between sessions: waits until enough sites are there, and the job has a slot.
struct Recruiting {
  TimePoint since{};  ///< what it waits for now began to lack
  Readiness readiness = Readiness::kLacking;
};
/// A session is open to its cohort.
struct Collecting {
  job::SessionKey key;
  Answers answers;
  std::size_t pending = 0;
  bool counts_all = false;  ///< census: over all, not newcomers alone
  TimePoint opened{};
  TimePoint deadline{};  ///< over whole groups: from then on the quorum of groups is enough
};
/// A masked session's vectors are in, and its survivors are asked to take the masks off. Never given up for another
/// attempt: the sums of two attempts would differ by one site.
struct Unmasking {
  Collecting session;
  TimePoint until{};  ///< sites that must confirm may come back until then
};
/// A session is closed, its sum is being turned into a model or counts.
struct Closing {
  Collecting session;
  TimePoint until{};  ///< a commit that takes longer has failed
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
  std::uint32_t since = 0;  ///< evaluations after it, none of them better
};

struct State {
  Rules rules;
  Phase phase;
  SiteRegister sites;
  std::uint32_t round = 0;              ///< last committed
  std::uint32_t attempt = 1;            ///< of the next round's training
  std::uint32_t census_attempt = 0;     ///< of the last census
  std::uint64_t normaliser = 0;         ///< N; 0 before the first census
  task::LabelCounts labels{};           ///< of the census that N is from
  std::uint64_t member_examples = 0;    ///< of all members by now
  bool recount = false;                 ///< the next census is of all: newcomers brought the sum to 2 N
  std::optional<crypto::Digest> model;  ///< of the last committed round
  std::optional<BestRound> best;
  std::uint64_t last_effect = 0;
  bool has_slot = true;  ///< may open sessions
};
[[nodiscard]] State initial_state(Rules rules);

struct Transition {
  State state;
  std::vector<Effect> effects;
  std::optional<Error> refused;  ///< the event doesn't fit; state is as before, and there are no effects
};

/// Takes one event in. What is late, comes twice, or belongs to a foreign session or site is refused with a reason.
[[nodiscard]] Transition advance(State state, const Event& event, TimePoint now);

/// Is the session open to this site, and its answer still awaited?
Result<void> admits(const State& state, const std::string& site, const job::SessionKey& key);

/// Is the site one that the job wants?
[[nodiscard]] bool wants(const Rules& rules, const std::string& site);

/// When a Tick changes something, if nothing else happens before.
[[nodiscard]] std::optional<TimePoint> next_wakeup(const State& state);

/// Does the job wait for a session to begin, and could it? Nothing while a session is open, or once the job has ended.
/// A session over whole groups waits for sites itself: then, can enough of its groups be complete?
[[nodiscard]] std::optional<Readiness> readiness_of(const State& state);

/// When a job that lacks sites fails, unless enough of them come before.
[[nodiscard]] std::optional<TimePoint> gives_up_at(const State& state);

/// What a job between sessions waits for: "waiting for 3 sites, 1 accepted; west: declined: ...".
[[nodiscard]] std::string waiting_for(const State& state);

}  // namespace consilium::round
