#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "coordinator/round/readiness.h"

/// Decides which jobs may run. A job needs a slot to open a session with its sites.
namespace consilium::admission {

/// An unended job, with the facts that decide whether it gets a slot.
struct Candidate {
  std::string job_id;
  std::string researcher;
  std::vector<std::string> sites;  ///< the sites that it uses; empty: all of them
  round::Readiness readiness = round::Readiness::kLacking;
  bool holds_slot = false;
};

struct SlotLimits {
  std::size_t running = 1;                 ///< slots in total
  std::size_t running_per_researcher = 1;  ///< slots that the jobs of one researcher may hold at the same time
};

/// The reason why a job has to wait for others.
struct Obstacle {
  enum class Kind : std::uint8_t { kSites, kSlots, kQuota };
  Kind kind = Kind::kSites;
  std::vector<std::string> jobs;  ///< the jobs that must end or give up their slots first
  bool operator==(const Obstacle&) const = default;
};

struct SlotPlan {
  std::vector<std::string> start;  ///< jobs that get a slot now, in order of submission
  std::map<std::string, Obstacle>
      obstacles;  ///< by the id of each job that has no slot because others stand in its way
};

/// Chooses which jobs get a slot. The rules:
/// - No two jobs that hold a slot use the same site, since a site has one trainer. At most `running` jobs hold one.
/// - A job gets a slot only when it is able to work. A job that lacks sites holds none, and no job waits for it.
/// - Jobs are served in order of submission. A job that is able to work, or that is still asking its sites, is never
///   overtaken by a later job that uses one of the same sites. Therefore an able job waits only for earlier jobs and
///   for jobs that held a slot when it became able; later jobs can't starve it. (Later jobs may pass a job while it
///   lacks sites.)
/// - If a researcher's jobs hold as many slots as one researcher may hold, the researcher's other jobs wait for these.
///   Jobs of other researchers don't.
/// @param jobs  every unended job, in order of submission
[[nodiscard]] SlotPlan choose_startable(const std::vector<Candidate>& jobs, const SlotLimits& limits);

/// Returns a description of the obstacle, such as "queued behind chest-2".
[[nodiscard]] std::string text_of(const Obstacle& obstacle);

}  // namespace consilium::admission
