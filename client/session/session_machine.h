#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "client/policy/policy.h"
#include "common/crypto/sha256.h"
#include "common/job/job_spec.h"
#include "common/job/round_order.h"
#include "common/wire/messages.h"

/// What a site does, as a pure function over values: messages and finished steps go in, the next state and the effects to
/// carry out come out. No socket, file, thread or clock; the daemon owns the state and carries the effects out.
namespace consilium::session {

/// A job that the site's policy accepted.
struct AcceptedJob {
  job::JobSpec spec;
  crypto::Digest digest{};
  bool operator==(const AcceptedJob&) const = default;
};

/// Where the one session under way stands.
enum class Step : std::uint8_t { kFetching, kWorking, kUploading };

struct ActiveSession {
  job::SessionKey key;
  job::RoundOrder order;
  std::uint64_t model_bytes = 0;
  Step step = Step::kFetching;
  bool retried = false;  ///< the trainer was killed by a signal once already
  bool operator==(const ActiveSession&) const = default;
};

struct SiteState {
  std::map<std::string, AcceptedJob> jobs;  ///< by job id
  std::optional<ActiveSession> active;      ///< a site has one trainer: one session at a time
  std::deque<ActiveSession> waiting;        ///< offered meanwhile, first come first served
};

/// What the machine may know about its site.
struct SiteContext {
  const policy::Policy& policy;
  std::vector<std::string> datasets;
  std::string software;
};

// Events.
struct Connected {};
struct Disconnected {};
struct Received {
  wire::CoordinatorMessage message;
};
/// The global model lies in the site's cache.
struct Fetched {
  job::SessionKey key;
};
/// The work is done; `has_vector` is false for partial work that the order doesn't keep.
struct Worked {
  job::SessionKey key;
  bool has_vector = true;
};
struct Uploaded {
  job::SessionKey key;
};
/// The step under way failed.
struct StepFailed {
  job::SessionKey key;
  Error error;
};
using SiteEvent = std::variant<Connected, Disconnected, Received, Fetched, Worked, Uploaded, StepFailed>;

// Effects.
struct Send {
  wire::SiteMessage message;
};
/// Load data and model of a job that was just accepted, so that its first round need not wait.
struct Warm {
  std::string job_id;
  AcceptedJob job;
};
struct Fetch {
  ActiveSession session;
};
/// Census, training or evaluation, by the order's kind; ends in Worked or StepFailed.
struct Work {
  ActiveSession session;
  AcceptedJob job;
};
struct Upload {
  ActiveSession session;
};
/// Stop the step under way; nothing more is heard of its session.
struct Abandon {
  job::SessionKey key;
  std::string reason;
};
/// Something the site's log should say.
struct Note {
  bool warning = false;
  std::string text;
};
using SiteEffect = std::variant<Send, Warm, Fetch, Work, Upload, Abandon, Note>;

struct Transition {
  SiteState state;
  std::vector<SiteEffect> effects;
};

/// Most sessions that may wait, and most jobs that a site takes part in at once: a coordinator can't make it keep more.
inline constexpr std::size_t kMaxWaiting = 64;
inline constexpr std::size_t kMaxJobs = 256;

/// Computes the successor state. Messages that don't fit (unknown job, an order that isn't the job's, a session that isn't
/// under way) change nothing and are answered or noted.
[[nodiscard]] Transition advance(SiteState state, const SiteEvent& event, const SiteContext& context);

}  // namespace consilium::session
