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

/// What a job in mode `masked` does beside its rounds: its sites agree on a key, groups are summed, and sites endorse
/// what follows. What happens to sites and sessions goes in; messages for sites and events for the round machine come
/// out. Without an authenticator (the simulator's plain sums) there is no key and nothing is endorsed. Not thread-safe.
class GroupRuns {
 public:
  struct Output {
    std::vector<std::pair<std::string, wire::CoordinatorMessage>> messages;
    std::vector<Event> events;
    std::vector<std::string> notes;  ///< for the log

    void append(Output other);
  };
  using Ready = GroupSums::Ready;

  /// @param spec  outlives the object
  GroupRuns(std::string job_id, const job::JobSpec& spec, const crypto::Digest& job_digest,
            std::shared_ptr<const secagg::Authenticator> authenticator);

  /// Opens a session over the groups of the cohort; their attempts begin with the next advance().
  Output open(const OpenSession& action, const crypto::Digest& model, std::uint64_t model_bytes,
              Clock::duration deadline, TimePoint now);
  /// Does what can be done now: agrees on a key, begins attempts, ends phases that have lasted too long.
  Output advance(const Ready& ready, TimePoint now);
  [[nodiscard]] std::optional<TimePoint> wakeup() const;
  /// Whom the session waits for, in words; "" where nobody is waited for.
  [[nodiscard]] std::string waiting(const Ready& ready) const;

  Output receive(const std::string& site, const wire::Masking& step, TimePoint now);
  Output receive(const std::string& site, const wire::KeyAgreement& step, TimePoint now);
  Output receive(const std::string& site, const wire::Endorsement& endorsement);
  /// A site is there again: what it may have missed.
  Output returned(const std::string& site);
  /// A site's connection is lost, or was replaced by a new one: its attempt is over.
  Output left(const std::string& site, bool replaced, TimePoint now);
  /// A site declined the job, so no sum over its group comes about any more. A fault where too few groups are left.
  Output declined(const std::string& site, const std::string& reason, TimePoint now);
  /// A site can't go on with an attempt, or refuses a total.
  Output failed(const std::string& site, const job::SessionKey& key, const std::string& reason, TimePoint now);

  /// Is a site at work now, in an attempt or in the agreement on the key?
  [[nodiscard]] bool working() const { return agreement_ || (sums_ && sums_->working()); }
  /// Which attempt the site is in, if any.
  [[nodiscard]] std::optional<job::SessionKey> attempt_of(const std::string& site) const;
  Result<std::uint64_t> expected_words(const std::string& site, const job::SessionKey& key) const;
  Result<Output> take(const std::string& site, const job::SessionKey& key, aggregation::WordSource& words,
                      TimePoint now);

  /// Ends the attempts of the open session that aren't complete.
  Output close(const std::string& reason);
  /// Forgets the open session.
  void drop();
  /// The total over the complete groups of the open session.
  Result<aggregation::StreamingSum*> total();
  /// Announces a total to every site of the job; `committed` becomes an event once enough have endorsed it. Without
  /// masks it becomes one at once.
  /// @param total  SHA-256 of the total's words, which sites can fetch from now on
  /// @param state  of the strategy
  Output announce(const Committed& committed, const crypto::Digest& total, std::uint64_t words,
                  const crypto::Digest& model, const crypto::Digest& state, const Ready& ready);
  /// The total that sites may fetch now, if any.
  [[nodiscard]] std::optional<crypto::Digest> offered_total() const;
  [[nodiscard]] bool masked() const { return authenticator_ != nullptr; }

 private:
  Output from(GroupOutput output);
  Output agree(const Ready& ready, TimePoint now);
  Output follow(secagg::AgreementOutput output, TimePoint now);
  /// How many groups the job can't go on without: enough to commit a round, and to meet the quorum.
  [[nodiscard]] std::size_t groups_needed() const;
  void end_try(TimePoint now, Output& output);
  Output remind(const Ready& ready, TimePoint now);
  Output start_sums(TimePoint now);
  [[nodiscard]] std::string since(const std::string& site) const;
  /// Events that settle every site of a group.
  void fail_group(std::uint32_t group, const std::string& reason, Output& output) const;

  /// A session that isn't summing yet.
  struct Pending {
    OpenSession action;
    GroupSumPlan plan;
    TimePoint due{};  ///< from then on more than half of the groups are enough to agree on a key
  };
  struct Announced {
    wire::GroupTotal message;
    Committed committed;
    Endorsements endorsements;
    std::optional<TimePoint> again{};  ///< when the total is announced again to whoever hasn't signed
  };

  std::string job_id_;
  const job::JobSpec* spec_;
  crypto::Digest job_digest_;
  std::vector<std::vector<std::string>> groups_;
  std::shared_ptr<const secagg::Authenticator> authenticator_;

  std::optional<secagg::AgreementCoordinator> agreement_;
  std::uint32_t tries_ = 0;
  TimePoint agreement_due_{};  ///< of a running try: its end; else the earliest beginning of the next one
  std::optional<crypto::Digest> confirmation_;
  std::vector<std::uint32_t> agreed_groups_;
  std::string agreement_trouble_;

  std::optional<Pending> pending_;  ///< a session that waits for the key
  std::optional<GroupSums> sums_;
  std::optional<aggregation::StreamingSum> former_;  ///< of the last round, for its memory
  std::optional<Announced> announced_;
  /// Of the census, without which a site can't tell whom a round draws, and the last one of a round: what a site that
  /// was away needs to go on.
  std::optional<wire::RoundCommitted> census_commit_, last_commit_;
  std::map<std::string, std::chrono::system_clock::time_point> gone_since_;
  std::map<std::uint32_t, std::string> declined_;  ///< groups with a site that declined the job, and what it said
};

}  // namespace consilium::round
