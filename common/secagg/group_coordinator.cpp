#include "common/secagg/group_coordinator.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "common/job/cohort_rules.h"
#include "common/secagg/group_checks.h"
#include "common/secagg/group_transcript.h"

namespace consilium::secagg {
namespace {

Result<void> require(bool holds, std::string why) {
  if (holds) return {};
  return fail(ErrorCode::kInvalidArgument, std::move(why));
}

}  // namespace

std::string_view name_of(GroupPhase phase) {
  constexpr std::string_view kNames[] = {"", "advertising", "uploading", "complete", "failed"};
  return kNames[static_cast<std::size_t>(phase)];
}

GroupCoordinator::GroupCoordinator(GroupCoordinatorSetup setup, const Authenticator& authenticator)
    : setup_(std::move(setup)), authenticator_(&authenticator), awaited_(setup_.members.begin(), setup_.members.end()) {
  const std::size_t smallest = job::smallest_cohort(setup_.colluding);
  if (awaited_.size() < smallest || awaited_.size() > kMaxGroupMembers)
    give_up(fmt::format("the group has {} sites; expected {} to {} if {} may collude", awaited_.size(), smallest,
                        kMaxGroupMembers, setup_.colluding));
}

GroupOutput GroupCoordinator::receive(const std::string& site, const GroupAdvert& advert) {
  GroupOutput output;
  if (phase_ != GroupPhase::kAdvertising || !awaited_.contains(site)) return output;  // late, repeated or not a member
  if (const auto checked = check(site, advert); !checked) {
    output.lost.push_back({site, checked.error()});
    give_up(fmt::format("the advert of {} was refused: {}", site, checked.error().message));
    return output;
  }
  advertised_.emplace(site, advert);
  awaited_.erase(site);
  if (awaited_.empty()) list_adverts(output);
  return output;
}

/// Refuses adverts that every other member would refuse, and the attempt with them.
Result<void> GroupCoordinator::check(const std::string& site, const GroupAdvert& advert) const {
  CONSILIUM_TRY(require(advert.site == site, fmt::format("advert of '{}', sent by {}", advert.site, site)));
  CONSILIUM_TRY(authenticator_->check_certificate(site, advert.certificate));
  CONSILIUM_TRY(authenticator_->verify(advert.certificate, advert_statement(setup_.context, advert), advert.signature));
  CONSILIUM_TRY(
      require(advert.seen.size() + 1 == setup_.members.size(),
              fmt::format("it names {} other members, expected {}", advert.seen.size(), setup_.members.size() - 1)));
  CONSILIUM_TRY(check_mask_key(advert.mask_key));
  const auto same = [&advert](const auto& other) {
    return canonical(other.second.mask_key) == canonical(advert.mask_key);
  };
  return require(std::ranges::none_of(advertised_, same), "its key is that of another member");
}

void GroupCoordinator::list_adverts(GroupOutput& output) {
  GroupAdvertList list;
  for (auto& [site, advert] : std::exchange(advertised_, {})) list.adverts.push_back(std::move(advert));
  cohort_ = cohort_context(setup_.context, list);
  for (const GroupAdvert& advert : list.adverts) {
    output.messages.push_back({advert.site, list});
    awaited_.insert(advert.site);
  }
  phase_ = GroupPhase::kUploading;
}

GroupOutput GroupCoordinator::lose(const std::string& site) {
  const bool uploading = phase_ == GroupPhase::kUploading;
  const bool needed = awaited_.contains(site) || (phase_ == GroupPhase::kAdvertising && advertised_.contains(site));
  if (needed)
    give_up(fmt::format("{} left before {}; the sum needs every member of its group", site,
                        uploading ? "its vector arrived" : "the keys were agreed on"));
  return {};
}

GroupOutput GroupCoordinator::close_phase() {
  GroupOutput output;
  if (awaited_.empty()) return output;
  const std::string waited = fmt::format("no answer while {}", name_of(phase_));
  for (const std::string& site : awaited_) output.lost.push_back({site, {ErrorCode::kDeadlineExceeded, waited}});
  give_up(fmt::format("{} from {}; the sum needs every member of its group", waited, fmt::join(awaited_, ", ")));
  return output;
}

bool GroupCoordinator::admits_upload(const std::string& site) const {
  return phase_ == GroupPhase::kUploading && awaited_.contains(site);
}

void GroupCoordinator::uploaded(const std::string& site) {
  if (!admits_upload(site)) return;
  awaited_.erase(site);
  if (awaited_.empty()) phase_ = GroupPhase::kComplete;
}

void GroupCoordinator::give_up(std::string why) {
  phase_ = GroupPhase::kFailed;
  awaited_.clear();
  advertised_.clear();
  failure_ = {ErrorCode::kFailedPrecondition, std::move(why)};
}

}  // namespace consilium::secagg
