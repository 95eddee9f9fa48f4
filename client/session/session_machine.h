#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "client/approval/job_gate.h"
#include "client/policy/policy.h"
#include "common/crypto/sha256.h"
#include "common/job/job_spec.h"
#include "common/job/round_order.h"
#include "common/roster/roster.h"
#include "common/wire/messages.h"

/// What a site does, as a pure function over values: messages and finished steps go in, the next state and the effects
/// to carry out come out. No socket, file, thread or clock; the daemon owns the state and carries the effects out.
namespace consilium::session {

/// A job that the site's policy accepted.
struct AcceptedJob {
  job::JobSpec spec;
  crypto::Digest digest{};
  std::string researcher{};
  bool operator==(const AcceptedJob&) const = default;
};

/// Where the one session under way stands. A masked one that has worked may have to wait for the others' keys.
enum class Step : std::uint8_t { kFetching, kWorking, kAwaitingMasks, kUploading };

struct ActiveSession {
  job::SessionKey key;
  job::RoundOrder order;
  std::uint64_t model_bytes = 0;
  Step step = Step::kFetching;
  bool retried = false;  ///< the trainer was killed by a signal once already
  bool masked = false;
  bool whole_group = false;  ///< mode masked: nothing is left to say once the vector is sent
  bool keyed = false;        ///< its masks are agreed on
  bool revealed = false;     ///< all was said before the vector's receipt came
  bool operator==(const ActiveSession&) const = default;
};

/// How far a masked session is whose vector is sent.
struct Confirming {
  bool confirmed = false;  ///< the site has signed who is in the sum: until all is revealed, the job goes no further
  bool operator==(const Confirming&) const = default;
};

struct SiteState {
  std::string coordinator{};                ///< URI in its certificate; "" without a connection
  std::map<std::string, AcceptedJob> jobs;  ///< by job id
  /// Offers of jobs that are accepted or wait for a person, by job id: looked at again when something is decided.
  std::map<std::string, wire::JobOffer> offers;
  std::optional<ActiveSession> active;  ///< a site has one trainer: one session at a time
  std::deque<ActiveSession> waiting;    ///< offered meanwhile, first come first served
  /// Masked sessions whose vector is sent, until the site has revealed what takes the masks off. They outlive a lost
  /// connection.
  std::map<job::SessionKey, Confirming> confirming;
};

/// What the machine may know about its site.
struct SiteContext {
  const policy::Policy& policy;
  std::vector<std::string> datasets;
  std::string software;
  std::string site{};
  crypto::Digest key{};                          ///< SHA-256 of the site's own SubjectPublicKeyInfo
  roster::Roster roster{};                       ///< what client.yaml names
  approval::JobGate* gate = nullptr;             ///< decides about offered jobs; outlives the machine
  std::map<std::string, std::string> atlases{};  ///< files by name
};

// Events.
struct Connected {
  std::string coordinator;  ///< URI in its certificate
};
/// A person decided about a job, or policy or roster changed.
struct Reconsider {};
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
/// The masks of a session are agreed on.
struct Keyed {
  job::SessionKey key;
};
/// The site has signed a masked session's survivors.
struct Confirmed {
  job::SessionKey key;
};
/// The site has revealed what takes a masked session's masks off.
struct Revealed {
  job::SessionKey key;
};
/// The coordinator said something in a masked session that the site refuses.
struct MaskingRefused {
  job::SessionKey key;
  Error error;
};
/// Mode masked: what the site signs of a total that it has checked.
struct Endorsed {
  job::SessionKey key;
  std::vector<std::byte> commit;
};
/// Mode masked: the site doesn't sign a total, or a commit isn't one: it takes no further part in the job. With
/// kUnavailable the total couldn't be fetched, and the coordinator announces it again after a reconnection.
struct TotalRefused {
  job::SessionKey key;
  crypto::Digest job{};  ///< the coordinator may have taken the job back meanwhile, which changes nothing
  Error error;
};
/// Mode masked: the site has more training examples than the population's bound, so it takes no part in the job.
struct AboveBound {
  job::SessionKey key;
  std::string message;  ///< for this site's own log
};
/// The step under way failed.
struct StepFailed {
  job::SessionKey key;
  Error error;
};
using SiteEvent = std::variant<Connected, Disconnected, Reconsider, Received, Fetched, Worked, Uploaded, Keyed,
                               Confirmed, Revealed, MaskingRefused, Endorsed, TotalRefused, AboveBound, StepFailed>;

// Effects.
struct Send {
  wire::SiteMessage message;
};
/// Load data and model of a job that was just accepted, so that its first round need not wait.
struct Warm {
  std::string job_id;
  AcceptedJob job;
};
/// Advertise keys for a masked session; goes on while the model is fetched and trained.
struct BeginMasking {
  ActiveSession session;
  AcceptedJob job;
};
/// Let the session's masks go on by a message of the coordinator.
struct Mask {
  wire::Masking message;
};
/// A masked session is over for this site: its keys go.
struct EndMasking {
  job::SessionKey key;
};
/// A job is over: so is all that is kept of its sessions, and the model that the site has trained by itself to compare
/// with (evaluation.alone).
struct ForgetJob {
  std::string job_id;
  crypto::Digest job{};
  bool masked = false;
};
/// Mode masked: let the agreement on a job's key go on by a message of the coordinator; the first one is empty.
struct Agree {
  wire::KeyAgreement message;
  AcceptedJob job;
};
/// Mode masked: fetch a total, check it and sign what follows; ends in Endorsed or TotalRefused.
struct CheckTotal {
  wire::GroupTotal total;
  AcceptedJob job;
};
/// Mode masked: enough sites have signed what follows from a total.
struct TakeCommit {
  wire::RoundCommitted commit;
  AcceptedJob job;
};
/// Mode masked: this site takes no further part in a job, for good.
struct LeaveJob {
  crypto::Digest job{};
  std::string reason;
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
  AcceptedJob job;
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
using SiteEffect = std::variant<Send, Warm, BeginMasking, Mask, EndMasking, ForgetJob, Agree, CheckTotal, TakeCommit,
                                LeaveJob, Fetch, Work, Upload, Abandon, Note>;

struct Transition {
  SiteState state;
  std::vector<SiteEffect> effects;
};

/// Most sessions that may wait, and most jobs that a site takes part in at once: a coordinator can't make it keep more.
inline constexpr std::size_t kMaxWaiting = 64;
inline constexpr std::size_t kMaxJobs = 256;

/// Computes the successor state. Messages that don't fit (unknown job, an order that isn't the job's, a session that
/// isn't under way) change nothing and are answered or noted.
[[nodiscard]] Transition advance(SiteState state, const SiteEvent& event, const SiteContext& context);

}  // namespace consilium::session
