#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/job/round_order.h"
#include "common/task/metrics.h"

/// What happens to a job (events), and what its round machine decides (effects); both plain values.
namespace consilium::round {

/// Where a site of a session's cohort stands.
enum class Standing : std::uint8_t { kPending, kUpdate, kPartial, kFailed };
struct Answer {
  Standing standing = Standing::kPending;
  std::string reason;                     ///< of a failure
  std::optional<std::uint64_t> examples;  ///< n_i, told in a plain job's census
  bool operator==(const Answer&) const = default;
};
using Answers = std::map<std::string, Answer>;  ///< by site

// Events.

/// The job begins: it is offered to its sites. Without a slot it opens no session until it is given one.
struct Begin {
  bool with_slot = true;
};
/// Between sessions: the job may open the next one (again), or may not. In a session over whole groups: attempts may
/// begin, or may not.
struct SlotGiven {};
struct SlotTaken {};
struct SiteConnected {
  std::string site;
};
struct SiteLeft {
  std::string site;
};
struct SiteAccepted {
  std::string site;
};
/// A person at the site has to approve the job first.
struct SiteWaits {
  std::string site;
};
struct SiteDeclined {
  std::string site;
  std::string reason;
};
/// The site's vector is folded (kUpdate), or it answered without one (kPartial).
struct Answered {
  std::string site;
  job::SessionKey key;
  Standing standing = Standing::kUpdate;
  std::optional<std::uint64_t> examples;
};
struct Failed {
  std::string site;
  job::SessionKey key;
  std::string reason;
};
/// The sum under way can't be used any more (its vectors couldn't be read back, or too few sites agreed on masks): the
/// session starts anew.
struct SumSpoiled {
  job::SessionKey key;
  std::string reason;
};
/// UnmaskSum is done: the masks are off.
struct Unmasked {
  job::SessionKey key;
  std::map<std::string, std::string> left_out;  ///< sites of groups that came to nothing, and why
};
/// Survivors were asked to confirm, and too few did.
struct UnmaskingFailed {
  job::SessionKey key;
  std::string reason;
};
/// CloseSum is done: the model (train) or the counts are kept.
struct Committed {
  job::SessionKey key;
  std::uint64_t examples = 0;  ///< census: training examples in the sum
  crypto::Digest model{};      ///< train: the new global model
  /// evaluate: the metric by which the job compares rounds; none where the job doesn't, or the evaluation lacks it
  std::optional<task::Metric> metric{};
  task::LabelCounts labels{};  ///< census: of the sum, where the job's class weights are balanced
};
struct CommitFailed {
  job::SessionKey key;
  std::string reason;
};
struct Stop {
  std::string reason;
};
/// The coordinator itself can't go on with the job.
struct Fault {
  std::string reason;
};
struct Tick {};
using Event =
    std::variant<Begin, SlotGiven, SlotTaken, SiteConnected, SiteLeft, SiteAccepted, SiteWaits, SiteDeclined, Answered,
                 Failed, SumSpoiled, Unmasked, UnmaskingFailed, Committed, CommitFailed, Stop, Fault, Tick>;

// Effects.

enum class Outcome : std::uint8_t { kFinished, kStopped, kFailed };

struct OfferJob {
  std::string site;
};
/// Start an empty sum and offer the session to its cohort.
struct OpenSession {
  job::SessionKey key;
  std::vector<std::string> cohort;
  std::uint64_t normaliser = 0;  ///< N; 0 in a census
  task::LabelCounts labels{};    ///< where the job's class weights are balanced; none in a census
};
/// Tell these sites to leave a session.
struct CancelSession {
  job::SessionKey key;
  std::vector<std::string> sites;
  std::string reason;
};
/// The vectors of a masked sum are in: let their sites confirm the list and take the masks off, and report Unmasked,
/// SumSpoiled (nobody was asked), or UnmaskingFailed.
struct UnmaskSum {
  job::SessionKey key;
};
/// Turn the sum into what it is for, and report Committed or CommitFailed.
struct CloseSum {
  job::SessionKey key;
  Answers answers;
  std::uint64_t members = 0;          ///< that have training examples
  std::uint64_t member_examples = 0;  ///< theirs
  std::uint64_t normaliser = 0;
};
/// Forget a sum that comes to nothing.
struct DropSum {
  job::SessionKey key;
  std::string reason;
  Answers answers;
};
/// A round's model is the job's model from now on.
struct Publish {
  job::SessionKey key;
  crypto::Digest model{};
};
/// The model of a round is better than those of all rounds before: keep it until another one is, or the job has ended.
struct KeepBest {
  std::uint32_t round = 0;
  crypto::Digest model{};
};
struct EndJob {
  Outcome outcome = Outcome::kFinished;
  std::string message;
  std::vector<std::string> sites;  ///< to be told
};
using Action =
    std::variant<OfferJob, OpenSession, CancelSession, UnmaskSum, CloseSum, DropSum, Publish, KeepBest, EndJob>;

/// A decision with its number in the job: strictly increasing from 1. Carrying one out twice changes nothing.
struct Effect {
  std::uint64_t id = 0;
  Action action;
};

}  // namespace consilium::round
