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

/// Holds what the coordinator knows about an attempt before it begins.
struct GroupCoordinatorSetup {
  crypto::Digest context{};          ///< attempt_context() of the round order, with the confirmation of the job's key
  std::vector<std::string> members;  ///< the whole group, in order of name
  std::uint32_t colluding = 1;       ///< c
};

/// The phase of an attempt. Each member's advert is awaited in the first phase, and its vector in the second.
enum class GroupPhase : std::uint8_t { kAdvertising = 1, kUploading, kComplete, kFailed };
[[nodiscard]] std::string_view name_of(GroupPhase phase);

using GroupOutput = OutputOf<GroupAdvertList>;

/// Implements the coordinator's side of one attempt at a masked sum over a whole group. It collects the adverts, sends
/// all of them to every member, and counts the vectors. The sum can't be read unless every member's vector arrives, so
/// the loss of one member before its upload fails the attempt. It uses no socket, file, clock or thread. Not
/// thread-safe.
class GroupCoordinator {
 public:
  /// @param authenticator  must outlive the object
  GroupCoordinator(GroupCoordinatorSetup setup, const Authenticator& authenticator);

  [[nodiscard]] GroupPhase phase() const { return phase_; }
  /// Returns why the attempt failed, in kFailed. The message names the sites that caused the failure.
  [[nodiscard]] const Error& failure() const { return failure_; }
  /// Returns the members whose advert or vector is awaited.
  [[nodiscard]] const std::set<std::string>& awaited() const { return awaited_; }
  /// Returns ctx2, from kUploading on.
  [[nodiscard]] const crypto::Digest& cohort() const { return cohort_; }

  /// Handles a member's advert. An advert that the other members would refuse fails the attempt and names its sender
  /// (GroupOutput::lost). A late or repeated advert changes nothing.
  GroupOutput receive(const std::string& site, const GroupAdvert& advert);
  /// Notes that a site is gone. Before its upload this fails the attempt; after its upload nothing happens.
  GroupOutput lose(const std::string& site);
  /// Ends a phase that has lasted long enough: the members that are still awaited are lost, and the attempt fails.
  GroupOutput close_phase();

  /// Returns true if the site may upload: it has been sent the adverts, and its vector hasn't arrived.
  [[nodiscard]] bool admits_upload(const std::string& site) const;
  /// Notes that a site's vector has been added to the sum.
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
