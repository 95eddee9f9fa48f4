#include "coordinator/round/site_register.h"

#include <chrono>
#include <random>
#include <string>

#include "tests/catch.h"

namespace consilium::round {
namespace {

using namespace std::chrono_literals;

/// Returns the counts as a walk over all sites finds them.
SiteCounts counted(const SiteRegister& sites) {
  SiteCounts counts;
  for (const auto& [name, site] : sites) {
    counts.fit += site.fit() ? 1 : 0;
    counts.newcomers += site.newcomer() ? 1 : 0;
    counts.can_train += site.can_train() ? 1 : 0;
    counts.train += site.trains() ? 1 : 0;
    counts.out += site.consent == Consent::kDeclined || site.unfit ? 1 : 0;
    counts.may_come += site.member && site.consent != Consent::kDeclined ? 1 : 0;
    counts.waiting += site.consent == Consent::kWaits ? 1 : 0;
  }
  return counts;
}

TEST_CASE("the counts of sites are what a walk over them finds, whatever changes") {
  std::mt19937 random(7);
  const auto below = [&random](unsigned limit) {
    return std::uniform_int_distribution<unsigned>(0, limit - 1)(random);
  };
  SiteRegister sites;
  for (int step = 0; step < 5000; ++step) {
    sites.change("site-" + std::to_string(below(12)), [&](SiteState& site) {
      if (below(3) == 0) site.connected = !site.connected;
      if (below(2) == 0) site.consent = static_cast<Consent>(below(5));
      if (below(4) == 0) site.asked_at = TimePoint(std::chrono::seconds(below(100)));
      if (below(4) == 0) site.overdue = !site.overdue;
      if (below(3) == 0) site.member = !site.member;
      if (below(5) == 0) site.unfit = !site.unfit;
      if (below(4) == 0) site.examples = below(2);
    });
    if (below(50) == 0) sites.let_answers_lapse(TimePoint(std::chrono::seconds(below(100))));
    REQUIRE(sites.counts() == counted(sites));
    std::size_t owed = 0;
    std::optional<TimePoint> first;
    for (const auto& [name, site] : sites) {
      if (!site.owes_answer()) continue;
      ++owed;
      if (!first || site.asked_at < *first) first = site.asked_at;
    }
    REQUIRE(sites.answers_owed() == owed);
    REQUIRE(sites.first_asked() == first);
  }
}

TEST_CASE("answers lapse of those sites that were asked long enough ago") {
  SiteRegister sites;
  for (int i = 0; i < 4; ++i) {
    sites.change("site-" + std::to_string(i), [i](SiteState& site) {
      site.connected = true;
      site.consent = Consent::kAsked;
      site.asked_at = TimePoint(i * 1s);
    });
  }
  sites.let_answers_lapse(TimePoint(1s));
  CHECK(sites.answers_owed() == 2);
  CHECK(sites.at("site-1").overdue);
  CHECK_FALSE(sites.at("site-2").overdue);
  CHECK(sites.first_asked() == TimePoint(2s));
}

}  // namespace
}  // namespace consilium::round
