#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/aggregation/streaming_sum.h"
#include "common/job/job_spec.h"
#include "common/secagg/group_coordinator.h"
#include "common/secagg/tag.h"
#include "common/wire/messages.h"
#include "coordinator/round/round_machine.h"

namespace consilium::round {

/// Describes one sum of a job in mode `masked`.
struct GroupSumPlan {
  job::SumKind kind = job::SumKind::kCensus;
  std::uint32_t round = 0;
  crypto::Digest model{};  ///< named in the orders; zero in a census
  std::uint64_t model_bytes = 0;
  std::vector<std::uint32_t> groups;  ///< indices of the groups to be summed, ascending
  Clock::duration deadline{};         ///< for one attempt
  task::LabelCounts labels{};         ///< named in the orders
};

/// Decides whose adverts count. Without it, vectors come without masks and tags, as in the simulator.
struct GroupMasks {
  std::shared_ptr<const secagg::Authenticator> authenticator;
  crypto::Digest confirmation{};  ///< agreement_confirmation() of the job's key
};

/// The result of an event.
struct GroupOutput {
  std::vector<std::pair<std::string, wire::CoordinatorMessage>> messages;
  std::vector<std::uint32_t> complete;            ///< groups whose vectors are now all in the sum
  std::map<std::uint32_t, std::string> given_up;  ///< groups that failed too often, with the reason
  std::vector<std::string> notes;                 ///< for the log
};

/// The attempts at one sum of a job in mode `masked`. Each group works at its own pace. An attempt begins when all
/// members of the group are connected, and fails when one is lost before its vector has arrived. It is repeated when
/// that member is back, with fresh masks but with the same vector from each site. Complete groups are added to one
/// total. Not thread-safe.
class GroupSums {
 public:
  /// @param spec    of a job in mode `masked`; must outlive the object, as must the masks' authenticator
  /// @param former  a finished sum, whose memory is reused
  static Result<GroupSums> create(std::string job_id, const job::JobSpec& spec, GroupSumPlan plan,
                                  std::optional<GroupMasks> masks,
                                  std::optional<aggregation::StreamingSum> former = {});

  using Ready = std::function<bool(const std::string&)>;  ///< whether the site is connected and takes part
  /// Begins the attempts of groups whose members are all ready, and ends phases that have lasted too long.
  GroupOutput advance(const Ready& ready, TimePoint now);
  /// Handles a site's message of the masking protocol.
  GroupOutput receive(const std::string& site, const wire::Masking& step, TimePoint now);
  /// Checks that the site's vector of this attempt is expected.
  Result<void> admits(const std::string& site, const job::SessionKey& key) const;
  /// Returns how many words a vector has, including those of the tag.
  [[nodiscard]] std::uint64_t word_count() const;
  /// Folds one site's vector. If that fails, the group's attempt ends and is repeated.
  Result<GroupOutput> take(const std::string& site, const job::SessionKey& key, aggregation::WordSource& words,
                           TimePoint now);
  /// Called when the site failed in this attempt. With `gone` it isn't connected any more.
  GroupOutput lose(const std::string& site, const std::string& reason, bool gone, TimePoint now);
  /// Returns true while an attempt is in progress.
  [[nodiscard]] bool working() const;
  /// Begins no further attempt of the group: it counts as one that failed too often.
  GroupOutput give_up(std::uint32_t index, const std::string& reason, TimePoint now);
  /// Returns the attempt that the site is taking part in, if any.
  [[nodiscard]] std::optional<job::SessionKey> attempt_of(const std::string& site) const;
  /// Ends every incomplete attempt. The output holds the messages to their members.
  GroupOutput close(const std::string& reason);

  [[nodiscard]] std::optional<TimePoint> wakeup() const;
  [[nodiscard]] const GroupSumPlan& plan() const { return plan_; }
  /// Describes each group that isn't complete ("waits for west, gone since 14:02", "2 of 4 vectors are in"); "" if all
  /// are.
  using Naming = std::function<std::string(const std::string&)>;  ///< describes a site that isn't ready
  [[nodiscard]] std::string waiting(const Ready& ready, const Naming& named) const;
  /// Returns the sum over the complete groups.
  [[nodiscard]] aggregation::StreamingSum& total() { return *total_; }
  /// Returns each complete group's part, in ascending order.
  [[nodiscard]] std::vector<wire::IncludedSum> included() const;

 private:
  enum class Stage : std::uint8_t { kWaiting, kOpen, kComplete, kGivenUp };
  struct Group {
    std::uint32_t index = 0;
    std::vector<std::string> members;
    Stage stage = Stage::kWaiting;
    std::uint32_t attempt = 0;
    std::uint32_t failures = 0;  ///< in a row, not counting disconnections
    TimePoint next_try{};
    TimePoint phase_since{};
    TimePoint deadline{};
    std::optional<secagg::GroupCoordinator> masks;
    std::optional<aggregation::StreamingSum> sum;
    std::set<std::string> uploaded;
    secagg::FieldElement tag = 0;
    crypto::Digest cohort{};
    std::string last_failure;
  };

  GroupSums(std::string job_id, const job::JobSpec& spec, GroupSumPlan plan, std::optional<GroupMasks> masks)
      : job_id_(std::move(job_id)), spec_(&spec), plan_(std::move(plan)), masks_(std::move(masks)) {}
  [[nodiscard]] job::SessionKey key_of(const Group& group) const;
  [[nodiscard]] Group* group_of(const std::string& site);
  [[nodiscard]] const Group* group_of(const std::string& site) const;
  void begin(Group& group, TimePoint now, GroupOutput& output);
  void follow(Group& group, secagg::GroupOutput from, TimePoint now, GroupOutput& output);
  void end_attempt(Group& group, const std::string& reason, bool counts, TimePoint now, GroupOutput& output);
  void check_time(Group& group, TimePoint now, GroupOutput& output);
  Result<void> fold(Group& group, aggregation::WordSource& words);
  Result<void> complete(Group& group, GroupOutput& output);
  [[nodiscard]] std::optional<TimePoint> due(const Group& group) const;
  [[nodiscard]] static std::string waiting(const Group& group, const Ready& ready, const Naming& named);

  std::string job_id_;
  const job::JobSpec* spec_;
  GroupSumPlan plan_;
  std::optional<GroupMasks> masks_;
  encoding::VectorLayout layout_;
  std::vector<Group> groups_;
  std::optional<aggregation::StreamingSum> total_;
  std::optional<aggregation::StreamingSum> former_;  ///< memory for the first attempt's sum
};

}  // namespace consilium::round
