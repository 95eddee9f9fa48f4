#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/secagg/authenticator.h"
#include "common/secagg/group_messages.h"
#include "common/secagg/output.h"

namespace consilium::secagg {

/// What the coordinator knows of an attempt before it begins.
struct GroupCoordinatorSetup {
  crypto::Digest context{};          ///< attempt_context() of the round order, with the confirmation of the job's key
  std::vector<std::string> members;  ///< the whole group, in order of name
  std::uint32_t colluding = 1;       ///< c
};

/// What the attempt is at. A site's message is awaited in the first, its vector in the second.
enum class GroupPhase : std::uint8_t { kAdvertising = 1, kUploading, kComplete, kFailed };
[[nodiscard]] std::string_view name_of(GroupPhase phase);

using GroupOutput = OutputOf<GroupAdvertList>;

/// The coordinator's side of one attempt at a masked sum over a whole group: it collects the adverts, hands everybody
/// all of them, and counts vectors. Without every member's vector nothing can be read, so the loss of one before its
/// upload fails the attempt. No socket, file, clock or thread. Not thread-safe.
class GroupCoordinator {
 public:
  /// @param authenticator  outlives the object
  GroupCoordinator(GroupCoordinatorSetup setup, const Authenticator& authenticator);

  [[nodiscard]] GroupPhase phase() const { return phase_; }
  /// Why the attempt came to nothing, in kFailed; names the sites that it was for.
  [[nodiscard]] const Error& failure() const { return failure_; }
  /// Members whose advert or vector is awaited.
  [[nodiscard]] const std::set<std::string>& awaited() const { return awaited_; }
  /// ctx2, from kUploading on.
  [[nodiscard]] const crypto::Digest& cohort() const { return cohort_; }

  /// Takes a member's advert. One that the other members would refuse fails the attempt and names its sender
  /// (GroupOutput::lost); one that is late or said twice changes nothing.
  GroupOutput receive(const std::string& site, const GroupAdvert& advert);
  /// Notes that a site is gone: before its upload that fails the attempt, after it nothing happens.
  GroupOutput lose(const std::string& site);
  /// Ends a phase that has lasted long enough: whoever is awaited is lost.
  GroupOutput close_phase();

  /// Says whether the site may upload: the adverts are out, and its vector isn't in.
  [[nodiscard]] bool admits_upload(const std::string& site) const;
  /// Notes that a site's vector is in the sum.
  void uploaded(const std::string& site);

 private:
  [[nodiscard]] Result<void> check(const std::string& site, const GroupAdvert& advert) const;
  void list_adverts(GroupOutput& output);
  void give_up(std::string why);

  GroupCoordinatorSetup setup_;
  const Authenticator* authenticator_;
  GroupPhase phase_ = GroupPhase::kAdvertising;
  Error failure_;
  std::set<std::string> awaited_;
  std::map<std::string, GroupAdvert> advertised_;
  crypto::Digest cohort_{};
};

}  // namespace consilium::secagg
