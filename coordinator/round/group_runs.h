#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/job/job_spec.h"
#include "common/secagg/agreement_coordinator.h"
#include "common/wire/messages.h"
#include "coordinator/round/endorsements.h"
#include "coordinator/round/group_sums.h"
#include "coordinator/round/round_machine.h"

namespace consilium::round {

/// Handles what a job in mode `masked` does in addition to its rounds: its sites agree on a key, groups are summed, and
/// sites sign the results. It takes the events of sites and sessions, and returns messages for sites and events for the
/// round machine. Without an authenticator (the simulator's plain sums) there is no key, and nothing is signed. Not
/// thread-safe.
class GroupRuns {
 public:
  struct Output {
    std::vector<std::pair<std::string, wire::CoordinatorMessage>> messages;
    std::vector<Event> events;
    std::vector<std::string> notes;  ///< for the log

    void append(Output other);
  };
  using Ready = GroupSums::Ready;

  /// @param spec  must outlive the object
  GroupRuns(std::string job_id, const job::JobSpec& spec, const crypto::Digest& job_digest,
            std::shared_ptr<const secagg::Authenticator> authenticator);

  /// Opens a session over the groups of the cohort. Their attempts begin with the next advance().
  Output open(const OpenSession& action, const crypto::Digest& model, std::uint64_t model_bytes,
              Clock::duration deadline, TimePoint now);
  /// Does everything that is due: starts the key agreement, begins attempts, and ends phases that have lasted too long.
  Output advance(const Ready& ready, TimePoint now);
  [[nodiscard]] std::optional<TimePoint> wakeup() const;
  /// Returns a description of the sites that the session is waiting for, or "" if it waits for none.
  [[nodiscard]] std::string waiting(const Ready& ready) const;

  Output receive(const std::string& site, const wire::Masking& step, TimePoint now);
  Output receive(const std::string& site, const wire::KeyAgreement& step, TimePoint now);
  Output receive(const std::string& site, const wire::Endorsement& endorsement);
  /// Called when a site reconnects. Returns the messages that it may have missed.
  Output returned(const std::string& site);
  /// Called when a site's connection is lost or was replaced by a new one. Ends the site's attempt.
  Output left(const std::string& site, bool replaced, TimePoint now);
  /// Called when a site declined the job. Its group can't be summed any more; the result is a Fault if too few groups
  /// are left.
  Output declined(const std::string& site, const std::string& reason, TimePoint now);
  /// Called when a site can't continue with an attempt, or refuses a total.
  Output failed(const std::string& site, const job::SessionKey& key, const std::string& reason, TimePoint now);

  /// Returns true while any site is taking part in an attempt or in the key agreement.
  [[nodiscard]] bool working() const { return agreement_ || (sums_ && sums_->working()); }
  /// Returns the attempt that the site is taking part in, if any.
  [[nodiscard]] std::optional<job::SessionKey> attempt_of(const std::string& site) const;
  Result<std::uint64_t> expected_words(const std::string& site, const job::SessionKey& key) const;
  Result<Output> take(const std::string& site, const job::SessionKey& key, aggregation::WordSource& words,
                      TimePoint now);

  /// Ends the incomplete attempts of the open session.
  Output close(const std::string& reason);
  /// Forgets the open session.
  void drop();
  /// Returns the total over the complete groups of the open session.
  Result<aggregation::StreamingSum*> total();
  /// Announces a total to the ready sites of the groups that agreed on the key. `committed` becomes an event once
  /// enough sites have signed the total; without masks, or for an evaluation, it becomes one at once.
  /// @param total  SHA-256 of the total's words, which sites can fetch from now on
  /// @param state  digest of the strategy's state
  Output announce(const Committed& committed, const crypto::Digest& total, std::uint64_t words,
                  const crypto::Digest& model, const crypto::Digest& state, const Ready& ready);
  /// Returns the total that sites may fetch now, if any.
  [[nodiscard]] std::optional<crypto::Digest> offered_total() const;
  [[nodiscard]] bool masked() const { return authenticator_ != nullptr; }

 private:
  Output from(GroupOutput output);
  Output agree(const Ready& ready, TimePoint now);
  Output follow(secagg::AgreementOutput output, TimePoint now);
  /// Returns how many groups the job needs to continue: enough to commit a round and to meet the quorum.
  [[nodiscard]] std::size_t groups_needed() const;
  void end_try(TimePoint now, Output& output);
  Output remind(const Ready& ready, TimePoint now);
  Output start_sums(TimePoint now);
  [[nodiscard]] std::string since(const std::string& site) const;
  /// Adds events that mark every site of a group as failed.
  void fail_group(std::uint32_t group, const std::string& reason, Output& output) const;

  /// A session that hasn't begun to sum yet.
  struct Pending {
    OpenSession action;
    GroupSumPlan plan;
    TimePoint due{};  ///< from then on more than half of the groups are enough to agree on a key
  };
  struct Announced {
    wire::GroupTotal message;
    Committed committed;
    Endorsements endorsements;
    std::optional<TimePoint> again{};  ///< when the total is announced again to the sites that haven't signed
  };

  std::string job_id_;
  const job::JobSpec* spec_;
  crypto::Digest job_digest_;
  std::vector<std::vector<std::string>> groups_;
  std::shared_ptr<const secagg::Authenticator> authenticator_;

  std::optional<secagg::AgreementCoordinator> agreement_;
  std::uint32_t tries_ = 0;
  TimePoint agreement_due_{};  ///< during a try: when it ends; otherwise the earliest start of the next one
  std::optional<crypto::Digest> confirmation_;
  std::vector<std::uint32_t> agreed_groups_;
  std::string agreement_trouble_;

  std::optional<Pending> pending_;  ///< a session that is waiting for the key
  std::optional<GroupSums> sums_;
  std::optional<aggregation::StreamingSum> former_;  ///< the last round's sum, kept to reuse its memory
  std::optional<Announced> announced_;
  /// The commits that a site that was away needs to continue: the census's, without which it can't tell which sites a
  /// round draws, and the last round's.
  std::optional<wire::RoundCommitted> census_commit_, last_commit_;
  std::map<std::string, std::chrono::system_clock::time_point> gone_since_;
  std::map<std::uint32_t, std::string> declined_;  ///< groups in which a site declined the job, with that site's reason
};

}  // namespace consilium::round
