#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "coordinator/round/readiness.h"

/// Which jobs may work: a job needs a slot to open a session with its sites.
namespace consilium::admission {

/// An unended job, as far as slots are concerned.
struct Candidate {
  std::string job_id;
  std::string researcher;
  std::vector<std::string> sites;  ///< that it uses; empty: all of them
  round::Readiness readiness = round::Readiness::kLacking;
  bool holds_slot = false;
};

struct SlotLimits {
  std::size_t running = 1;                 ///< slots in all
  std::size_t running_per_researcher = 1;  ///< slots that the jobs of one researcher may hold at a time
};

/// Why a job has to wait for others.
struct Obstacle {
  enum class Kind : std::uint8_t { kSites, kSlots, kQuota };
  Kind kind = Kind::kSites;
  std::vector<std::string> jobs;  ///< that must end, or give their slots up, first
  bool operator==(const Obstacle&) const = default;
};

struct SlotPlan {
  std::vector<std::string> start;  ///< jobs that get a slot now, in order of submission
  std::map<std::string, Obstacle>
      obstacles;  ///< by the id of a job that has no slot and that others stand in the way of
};

/// Chooses which jobs get a slot. The rules:
/// - No two jobs that hold a slot use the same site, since a site has one trainer. At most `running` jobs hold one.
/// - A job gets a slot only when it is able to work. One that lacks sites holds none, and nobody waits for it.
/// - Jobs are served in order of submission. A job that is able, or still asks its sites, is never overtaken by a later
///   one that uses one of its sites. So an able job waits only for jobs that held a slot when it became able, and for
///   earlier ones: it can't be starved by later ones. (A job may be passed by while it lacks sites.)
/// - A researcher whose jobs hold as many slots as one may hold waits for these; others don't wait for that researcher.
/// @param jobs  every unended job, in order of submission
[[nodiscard]] SlotPlan choose_startable(const std::vector<Candidate>& jobs, const SlotLimits& limits);

/// Returns the plan's reason in words: "queued behind chest-2".
[[nodiscard]] std::string text_of(const Obstacle& obstacle);

}  // namespace consilium::admission
