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

/// Defines the events of a job and the decisions of its round machine (effects). Both are plain values.
namespace consilium::round {

/// The state of a site in a session's cohort.
enum class Standing : std::uint8_t { kPending, kUpdate, kPartial, kFailed };
struct Answer {
  Standing standing = Standing::kPending;
  std::string reason;                     ///< for a failure
  std::optional<std::uint64_t> examples;  ///< n_i, reported in a plain job's census
  bool operator==(const Answer&) const = default;
};
using Answers = std::map<std::string, Answer>;  ///< by site

// Events.

/// The job begins and is offered to its sites. Without a slot it opens no session until it gets one.
struct Begin {
  bool with_slot = true;
};
/// Between sessions, SlotGiven allows the job to open the next one and SlotTaken forbids it. In a session over whole
/// groups, they allow and forbid new attempts.
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
/// The site's vector has been folded (kUpdate), or the site answered without one (kPartial).
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
/// The current sum has become unusable (its vectors couldn't be read back, or too few sites agreed on masks). The
/// session starts again.
struct SumSpoiled {
  job::SessionKey key;
  std::string reason;
};
/// UnmaskSum has been carried out: the masks have been removed.
struct Unmasked {
  job::SessionKey key;
  std::map<std::string, std::string> left_out;  ///< sites of groups that failed, with the reason
};
/// The survivors were asked to confirm, and too few did.
struct UnmaskingFailed {
  job::SessionKey key;
  std::string reason;
};
/// CloseSum has been carried out: the model (train) or the counts have been stored.
struct Committed {
  job::SessionKey key;
  std::uint64_t examples = 0;  ///< census: training examples in the sum
  crypto::Digest model{};      ///< train: the new global model
  /// evaluate: the metric by which the job compares rounds; no value if the job doesn't compare them, or if the
  /// evaluation lacks the metric
  std::optional<task::Metric> metric{};
  task::LabelCounts labels{};  ///< census: taken from the sum, if the job balances class weights
};
struct CommitFailed {
  job::SessionKey key;
  std::string reason;
};
struct Stop {
  std::string reason;
};
/// The coordinator itself can't continue with the job.
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
/// Starts an empty sum and offers the session to its cohort.
struct OpenSession {
  job::SessionKey key;
  std::vector<std::string> cohort;
  std::uint64_t normaliser = 0;  ///< N; 0 in a census
  task::LabelCounts labels{};    ///< if the job balances class weights; none in a census
};
/// Tells these sites to leave a session.
struct CancelSession {
  job::SessionKey key;
  std::vector<std::string> sites;
  std::string reason;
};
/// The vectors of a masked sum have arrived: asks their sites to confirm the list, and removes the masks. Leads to
/// Unmasked, to SumSpoiled (if no site was asked), or to UnmaskingFailed.
struct UnmaskSum {
  job::SessionKey key;
};
/// Turns the sum into its result (a model, counts or metrics). Leads to Committed or CommitFailed.
struct CloseSum {
  job::SessionKey key;
  Answers answers;
  std::uint64_t members = 0;          ///< number of members that have training examples
  std::uint64_t member_examples = 0;  ///< number of their training examples
  std::uint64_t normaliser = 0;
};
/// Forgets a sum that yields no result.
struct DropSum {
  job::SessionKey key;
  std::string reason;
  Answers answers;
};
/// Makes a round's model the job's model from now on.
struct Publish {
  job::SessionKey key;
  crypto::Digest model{};
};
/// The model of a round is better than those of all rounds before. Keeps it until another one is better, or the job has
/// ended.
struct KeepBest {
  std::uint32_t round = 0;
  crypto::Digest model{};
};
struct EndJob {
  Outcome outcome = Outcome::kFinished;
  std::string message;
  std::vector<std::string> sites;  ///< the sites to be informed
};
using Action =
    std::variant<OfferJob, OpenSession, CancelSession, UnmaskSum, CloseSum, DropSum, Publish, KeepBest, EndJob>;

/// A decision with its number within the job, which increases strictly from 1. Carrying out a decision twice changes
/// nothing.
struct Effect {
  std::uint64_t id = 0;
  Action action;
};

}  // namespace consilium::round
