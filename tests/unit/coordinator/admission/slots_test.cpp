#include "coordinator/admission/slots.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "tests/catch.h"

using namespace consilium::admission;
using consilium::round::Readiness;

namespace {

using Ids = std::vector<std::string>;

Candidate able(const std::string& id, const Ids& sites, const std::string& researcher = "") {
  return {id, researcher.empty() ? "of-" + id : researcher, sites, Readiness::kAble, false};
}
Candidate holding(Candidate job) {
  job.holds_slot = true;
  return job;
}
Candidate with(Candidate job, Readiness readiness) {
  job.readiness = readiness;
  return job;
}

constexpr SlotLimits kRoomy{4, 4};

}  // namespace

TEST_CASE("jobs that share no site start together, up to the limit, in order of submission") {
  const auto a = able("a", {"north"});
  const auto b = able("b", {"south"});
  const auto c = able("c", {"east"});
  CHECK(choose_startable({a, b, c}, kRoomy).start == Ids{"a", "b", "c"});
  const SlotPlan plan = choose_startable({a, b, c}, {2, 2});
  CHECK(plan.start == Ids{"a", "b"});
  CHECK(plan.obstacles.at("c") == Obstacle{Obstacle::Kind::kSlots, {"a", "b"}});
}

TEST_CASE("no two jobs that hold a slot use the same site, and a job that lists none uses all") {
  const auto both = able("both", {"north", "south"});
  const auto north = able("north", {"north"});
  const auto everywhere = able("everywhere", {});
  CHECK(choose_startable({holding(both), north}, kRoomy).start.empty());
  CHECK(choose_startable({holding(both), north}, kRoomy).obstacles.at("north") ==
        Obstacle{Obstacle::Kind::kSites, {"both"}});
  CHECK(choose_startable({holding(north), everywhere}, kRoomy).start.empty());
  CHECK(choose_startable({everywhere, north}, kRoomy).start == Ids{"everywhere"});
}

TEST_CASE("a job that lacks sites gets no slot and stands in nobody's way") {
  const auto waits = with(able("waits", {"north", "west"}), Readiness::kLacking);
  const auto works = able("works", {"north"});
  const SlotPlan plan = choose_startable({waits, works}, {1, 1});
  CHECK(plan.start == Ids{"works"});
  CHECK(plan.obstacles.at("waits") == Obstacle{Obstacle::Kind::kSites, {"works"}});
}

TEST_CASE("a job that still asks its sites gets no slot, and isn't overtaken by a later one on the same sites") {
  const auto asks = with(able("asks", {"north"}), Readiness::kAsking);
  const SlotPlan plan = choose_startable({asks, able("later", {"north"}), able("elsewhere", {"south"})}, kRoomy);
  CHECK(plan.start == Ids{"elsewhere"});
  CHECK(plan.obstacles.at("later") == Obstacle{Obstacle::Kind::kSites, {"asks"}});
}

TEST_CASE("a job that waits for its sites is not overtaken by a later one that uses one of them") {
  const auto running = holding(able("running", {"north"}));
  const auto both = able("both", {"north", "south"});
  const auto south = able("south", {"south"});
  const SlotPlan plan = choose_startable({running, both, south}, kRoomy);
  CHECK(plan.start.empty());
  CHECK(plan.obstacles.at("south") == Obstacle{Obstacle::Kind::kSites, {"both"}});
}

TEST_CASE("a researcher's quota of running jobs holds, and nobody else waits for it") {
  const auto first = holding(able("first", {"north"}, "ada"));
  const auto second = able("second", {"south"}, "ada");
  const auto other = able("other", {"south"}, "grace");
  const SlotPlan plan = choose_startable({first, second, other}, {4, 1});
  CHECK(plan.start == Ids{"other"});
  CHECK(plan.obstacles.at("second") == Obstacle{Obstacle::Kind::kQuota, {"first"}});
}

TEST_CASE("an obstacle names the jobs and the setting, and not hundreds of them") {
  CHECK(text_of({Obstacle::Kind::kSites, {"chest-2"}}) == "queued behind chest-2, which uses the same sites");
  CHECK(text_of({Obstacle::Kind::kSlots, {"a", "b", "c", "d", "e"}}) ==
        "queued behind a, b, c and 2 more: as many jobs are running as this coordinator allows (max_running_jobs)");
  CHECK(text_of({Obstacle::Kind::kQuota, {"a"}}) ==
        "queued behind a: as many jobs of one researcher are running as this coordinator allows (quotas.running)");
}

TEST_CASE("whatever comes and goes, the limits hold and an able job isn't overtaken on its sites") {
  std::mt19937 random(7);  // NOLINT(cert-msc51-cpp): the same cases in each run
  const auto below = [&random](unsigned bound) { return random() % bound; };
  for (int play = 0; play < 200; ++play) {
    const SlotLimits limits{1 + below(3), 1 + below(2)};
    std::vector<Candidate> jobs;
    int next = 0;
    for (int step = 0; step < 40; ++step) {
      Ids sites;
      for (const char* site : {"a", "b", "c", "d"}) {
        if (below(2) == 0) sites.emplace_back(site);
      }
      if (jobs.size() < 6) jobs.push_back(able("job-" + std::to_string(next++), sites, below(2) == 0 ? "ada" : "eve"));
      for (Candidate& job : jobs) {
        if (!job.holds_slot) job.readiness = static_cast<Readiness>(below(3));
      }
      const SlotPlan plan = choose_startable(jobs, limits);
      for (Candidate& job : jobs) {
        if (std::find(plan.start.begin(), plan.start.end(), job.job_id) == plan.start.end()) continue;
        CHECK((job.readiness == Readiness::kAble && !job.holds_slot));
        job.holds_slot = true;
      }
      std::multiset<std::string> used;
      std::map<std::string, std::size_t> by_researcher;
      std::size_t held = 0;
      for (const Candidate& job : jobs) {
        if (!job.holds_slot) continue;
        ++held;
        ++by_researcher[job.researcher];
        const Ids all{"a", "b", "c", "d"};
        for (const std::string& site : job.sites.empty() ? all : job.sites) used.insert(site);
      }
      CHECK(held <= limits.running);
      for (const auto& [researcher, count] : by_researcher) CHECK(count <= limits.running_per_researcher);
      CHECK(used.size() == std::set<std::string>(used.begin(), used.end()).size());
      // The job can run but has no slot, so some named condition must prevent it.
      for (const Candidate& job : jobs) {
        if (!job.holds_slot && job.readiness == Readiness::kAble) CHECK(plan.obstacles.contains(job.job_id));
      }
      std::erase_if(jobs, [&](const Candidate& job) { return job.holds_slot && below(3) == 0; });
    }
  }
}

TEST_CASE("an able job starts once the jobs that ran when it became able have ended, however many come later") {
  std::vector<Candidate> jobs = {holding(able("old-1", {"a"})), holding(able("old-2", {"b"})),
                                 able("wide", {"a", "b"})};
  for (int later = 0; later < 20; ++later) {
    jobs.push_back(able("later-" + std::to_string(later), {later % 2 == 0 ? "a" : "b"}));
    CHECK(choose_startable(jobs, kRoomy).start.empty());
  }
  jobs.erase(jobs.begin());
  CHECK(choose_startable(jobs, kRoomy).start.empty());
  jobs.erase(jobs.begin());
  CHECK(choose_startable(jobs, kRoomy).start == Ids{"wide"});
}
