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
#include "common/logging/event.h"
#include "common/roster/roster.h"
#include "common/wire/messages.h"

/// What a site does, as a pure function over values: it takes the state and an event (a message or a finished step),
/// and returns the next state and the effects to carry out. It uses no socket, file, thread or clock. The daemon owns
/// the state and carries out the effects.
namespace consilium::session {

/// A job that the site's policy accepted.
struct AcceptedJob {
  job::JobSpec spec;
  crypto::Digest digest{};
  std::string researcher{};
  bool operator==(const AcceptedJob&) const = default;
};

/// The current step of the one active session. A masked session that has finished its work may have to wait for the
/// other sites' keys.
enum class Step : std::uint8_t { kFetching, kWorking, kAwaitingMasks, kUploading };

struct ActiveSession {
  job::SessionKey key;
  job::RoundOrder order;
  std::uint64_t model_bytes = 0;
  Step step = Step::kFetching;
  bool retried = false;  ///< whether the trainer was already killed by a signal once
  bool masked = false;
  bool whole_group = false;  ///< mode masked: the site sends nothing more after its vector
  bool keyed = false;        ///< its masks are agreed
  bool revealed = false;     ///< the site had sent everything before the vector's receipt arrived
  bool operator==(const ActiveSession&) const = default;
};

/// The progress of a masked session whose vector was sent.
struct Confirming {
  bool confirmed = false;  ///< the site has signed the list of survivors; the job waits until everything is revealed
  bool operator==(const Confirming&) const = default;
};

struct SiteState {
  std::string coordinator{};                ///< URI in its certificate; "" without a connection
  std::map<std::string, AcceptedJob> jobs;  ///< by job id
  /// Offers of jobs that are accepted or wait for a person, by job id. They are examined again whenever a decision is
  /// made.
  std::map<std::string, wire::JobOffer> offers;
  std::optional<ActiveSession> active;  ///< a site has one trainer: one session at a time
  std::deque<ActiveSession> waiting;    ///< offered while another one was active, first come first served
  /// Masked sessions whose vector was sent, until the site has revealed what removes the masks. They survive a lost
  /// connection.
  std::map<job::SessionKey, Confirming> confirming;
};

/// What the machine knows about its site.
struct SiteContext {
  const policy::Policy& policy;
  std::vector<std::string> datasets;
  std::string software;
  std::string site{};
  crypto::Digest key{};                          ///< SHA-256 of the site's own SubjectPublicKeyInfo
  roster::Roster roster{};                       ///< the roster that client.yaml names
  approval::JobGate* gate = nullptr;             ///< decides about offered jobs; outlives the machine
  std::map<std::string, std::string> atlases{};  ///< files by name
};

// Events.
struct Connected {
  std::string coordinator;  ///< URI in its certificate
};
/// A person decided about a job, or the policy or the roster changed.
struct Reconsider {};
struct Disconnected {};
struct Received {
  wire::CoordinatorMessage message;
};
/// The global model is in the site's cache.
struct Fetched {
  job::SessionKey key;
};
/// The work is finished. `has_vector` is false for partial work that the order discards.
struct Worked {
  job::SessionKey key;
  bool has_vector = true;
};
struct Uploaded {
  job::SessionKey key;
};
/// The masks of a session are agreed.
struct Keyed {
  job::SessionKey key;
};
/// The site has signed a masked session's list of survivors.
struct Confirmed {
  job::SessionKey key;
};
/// The site has revealed what removes a masked session's masks.
struct Revealed {
  job::SessionKey key;
};
/// The site refuses a message of the coordinator in a masked session.
struct MaskingRefused {
  job::SessionKey key;
  Error error;
};
/// Mode masked: the site's signed statement about a total that it has checked.
struct Endorsed {
  job::SessionKey key;
  std::vector<std::byte> commit;
};
/// Mode masked: the site refuses to sign a total or to accept a commit, and takes no further part in the job. With
/// kUnavailable, the total couldn't be fetched; the coordinator announces it again after a reconnection.
struct TotalRefused {
  job::SessionKey key;
  /// Stored here because the coordinator may have withdrawn the job meanwhile, which changes nothing.
  crypto::Digest job{};
  Error error;
};
/// Mode masked: the site has more training examples than the population's bound, so it takes no part in the job.
struct AboveBound {
  job::SessionKey key;
  std::string message;  ///< for this site's own log
};
/// The current step failed.
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
/// Load the data and the model of a job that was just accepted, so that its first round need not wait.
struct Warm {
  std::string job_id;
  AcceptedJob job;
};
/// Advertise keys for a masked session. The key agreement continues while the model is fetched and trained.
struct BeginMasking {
  ActiveSession session;
  AcceptedJob job;
};
/// Pass a coordinator's message to the masking protocol of its session.
struct Mask {
  wire::Masking message;
};
/// A masked session is over for this site: destroy its keys.
struct EndMasking {
  job::SessionKey key;
};
/// A job is over: remove everything that is stored for its sessions, and the model that the site has trained by itself
/// for comparison (evaluation.alone).
struct ForgetJob {
  std::string job_id;
  crypto::Digest job{};
  bool masked = false;
};
/// Mode masked: pass a coordinator's message to the agreement on a job's key. The first message is empty.
struct Agree {
  wire::KeyAgreement message;
  AcceptedJob job;
};
/// Mode masked: fetch a total, check it and sign the outcome. Ends in Endorsed or TotalRefused.
struct CheckTotal {
  wire::GroupTotal total;
  AcceptedJob job;
};
/// Mode masked: accept a commit, which shows that enough sites have signed the outcome of a total.
struct TakeCommit {
  wire::RoundCommitted commit;
  AcceptedJob job;
};
/// Mode masked: take no further part in a job, permanently.
struct LeaveJob {
  crypto::Digest job{};
  std::string reason;
};
struct Fetch {
  ActiveSession session;
};
/// Do the census, training or evaluation, according to the order's kind. Ends in Worked or StepFailed.
struct Work {
  ActiveSession session;
  AcceptedJob job;
};
struct Upload {
  ActiveSession session;
  AcceptedJob job;
};
/// Stop the current step. Nothing more is reported about its session.
struct Abandon {
  job::SessionKey key;
  std::string reason;
};
/// Write a message to the site's log.
struct Note {
  logging::Event event;
  std::string text;
  std::string job{};
  std::optional<std::uint32_t> round{};
};
using SiteEffect = std::variant<Send, Warm, BeginMasking, Mask, EndMasking, ForgetJob, Agree, CheckTotal, TakeCommit,
                                LeaveJob, Fetch, Work, Upload, Abandon, Note>;

struct Transition {
  SiteState state;
  std::vector<SiteEffect> effects;
};

/// Maximum number of waiting sessions, and of jobs that a site takes part in at once. A coordinator can't make the site
/// store more.
inline constexpr std::size_t kMaxWaiting = 64;
inline constexpr std::size_t kMaxJobs = 256;

/// Computes the next state. Messages that don't fit (an unknown job, an order that isn't the job's, a session that
/// isn't active) don't change the state; they are answered or logged.
[[nodiscard]] Transition advance(SiteState state, const SiteEvent& event, const SiteContext& context);

}  // namespace consilium::session
