#include "coordinator/round/site_register.h"

namespace consilium::round {
namespace {

/// Calls `tell` with each count that the site belongs to.
template <class Tell>
void for_counts_of(const SiteState& site, SiteCounts& counts, Tell tell) {
  if (site.fit()) tell(counts.fit);
  if (site.newcomer()) tell(counts.newcomers);
  if (site.can_train()) tell(counts.can_train);
  if (site.trains()) tell(counts.train);
  if (site.consent == Consent::kDeclined || site.unfit) tell(counts.out);
  if (site.member && site.consent != Consent::kDeclined) tell(counts.may_come);
  if (site.consent == Consent::kWaits) tell(counts.waiting);
}

}  // namespace

void SiteRegister::forget(const std::string& name, const SiteState& site) {
  for_counts_of(site, counts_, [](std::size_t& count) { --count; });
  if (site.owes_answer()) owing_.erase({site.asked_at, name});
}

void SiteRegister::note(const std::string& name, const SiteState& site) {
  for_counts_of(site, counts_, [](std::size_t& count) { ++count; });
  if (site.owes_answer()) owing_.emplace(site.asked_at, name);
}

std::optional<TimePoint> SiteRegister::first_asked() const {
  return owing_.empty() ? std::nullopt : std::optional(owing_.begin()->first);
}

void SiteRegister::let_answers_lapse(TimePoint last) {
  while (!owing_.empty() && owing_.begin()->first <= last) {
    const std::string name = owing_.begin()->second;
    change(name, [](SiteState& site) { site.overdue = true; });
  }
}

}  // namespace consilium::round
