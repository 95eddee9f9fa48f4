#include "coordinator/admission/slots.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace consilium::admission {
namespace {

constexpr std::size_t kNamedJobs = 3;

bool overlap(const Candidate& a, const Candidate& b) {
  if (a.sites.empty() || b.sites.empty()) return true;
  return std::ranges::any_of(
      a.sites, [&b](const std::string& site) { return std::ranges::find(b.sites, site) != b.sites.end(); });
}

template <class Predicate>
std::vector<std::string> ids_where(const std::vector<const Candidate*>& jobs, Predicate predicate) {
  std::vector<std::string> ids;
  for (const Candidate* job : jobs) {
    if (predicate(*job)) ids.push_back(job->job_id);
  }
  return ids;
}

/// The jobs that a job may have to wait for: those that hold slots, and earlier ones that wait for a slot.
struct Ahead {
  std::vector<const Candidate*> holding;
  std::vector<const Candidate*> passed_over;
};

std::optional<Obstacle> obstacle_of(const Candidate& job, const Ahead& ahead, const SlotLimits& limits) {
  const auto own = ids_where(ahead.holding, [&](const Candidate& other) { return other.researcher == job.researcher; });
  if (own.size() >= limits.running_per_researcher) return Obstacle{Obstacle::Kind::kQuota, own};
  const auto collides = [&](const Candidate& other) { return overlap(job, other); };
  auto blocking = ids_where(ahead.holding, collides);
  const auto earlier = ids_where(ahead.passed_over, collides);
  blocking.insert(blocking.end(), earlier.begin(), earlier.end());
  if (!blocking.empty()) return Obstacle{Obstacle::Kind::kSites, blocking};
  if (ahead.holding.size() >= limits.running)
    return Obstacle{Obstacle::Kind::kSlots, ids_where(ahead.holding, [](const Candidate&) { return true; })};
  return std::nullopt;
}

}  // namespace

SlotPlan choose_startable(const std::vector<Candidate>& jobs, const SlotLimits& limits) {
  Ahead ahead;
  for (const Candidate& job : jobs) {
    if (job.holds_slot) ahead.holding.push_back(&job);
  }
  SlotPlan plan;
  std::vector<const Candidate*> left;
  for (const Candidate& job : jobs) {
    if (job.holds_slot) continue;
    const auto obstacle = obstacle_of(job, ahead, limits);
    if (!obstacle && job.readiness == round::Readiness::kAble) {
      plan.start.push_back(job.job_id);
      ahead.holding.push_back(&job);
      continue;
    }
    left.push_back(&job);
    // The job waits only for its own researcher's jobs, and no other job should have to wait with it.
    const bool own_quota = obstacle && obstacle->kind == Obstacle::Kind::kQuota;
    if (job.readiness != round::Readiness::kLacking && !own_quota) ahead.passed_over.push_back(&job);
  }
  // Check these jobs again now that all slots are assigned, because a job that lacks sites may be behind a later one.
  const auto passed_over = std::exchange(ahead.passed_over, {});
  for (const Candidate* job : left) {
    if (auto obstacle = obstacle_of(*job, ahead, limits)) plan.obstacles.emplace(job->job_id, *std::move(obstacle));
    if (std::ranges::find(passed_over, job) != passed_over.end()) ahead.passed_over.push_back(job);
  }
  return plan;
}

std::string text_of(const Obstacle& obstacle) {
  const auto named = std::min(obstacle.jobs.size(), kNamedJobs);
  std::string jobs = fmt::format(
      "{}", fmt::join(obstacle.jobs.begin(), obstacle.jobs.begin() + static_cast<std::ptrdiff_t>(named), ", "));
  if (obstacle.jobs.size() > named) jobs += fmt::format(" and {} more", obstacle.jobs.size() - named);
  switch (obstacle.kind) {
    case Obstacle::Kind::kSites:
      return fmt::format("queued behind {}, which uses the same sites", jobs);
    case Obstacle::Kind::kSlots:
      return fmt::format("queued behind {}: as many jobs are running as this coordinator allows (max_running_jobs)",
                         jobs);
    case Obstacle::Kind::kQuota:
      return fmt::format(
          "queued behind {}: as many jobs of one researcher are running as this coordinator allows (quotas.running)",
          jobs);
  }
  return jobs;
}

}  // namespace consilium::admission
