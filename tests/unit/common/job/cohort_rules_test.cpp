#include "common/job/cohort_rules.h"

#include "tests/catch.h"

namespace consilium::job {
namespace {

using Names = std::vector<std::string>;

JobSpec job_of(std::size_t sites, double fraction = 1.0) {
  JobSpec job;
  for (std::size_t i = 0; i < sites; ++i) {
    job.federation.sites.push_back("site-" + std::to_string(i));
    job.federation.roster.emplace(job.federation.sites.back(), crypto::sha256(job.federation.sites.back()));
  }
  job.federation.fraction = fraction;
  return job;
}

TEST_CASE("a cohort is the rounded share of the sites, and at least one") {
  CHECK(cohort_size(1.0, 4) == 4);
  CHECK(cohort_size(0.3334, 30) == 10);
  CHECK(cohort_size(0.5, 3) == 2);
  CHECK(cohort_size(0.01, 10) == 1);
  CHECK(cohort_size(0.1, 0) == 1);
  CHECK(planned_cohort(job_of(200, 0.1)) == 20);
  CHECK(planned_cohort(job_of(3)) == 3);
}

TEST_CASE("the answers needed are the share of the cohort, rounded up") {
  CHECK(answers_needed(0.75, 4) == 3);
  CHECK(answers_needed(0.55, 20) == 11);
  CHECK(answers_needed(0.71, 10) == 8);
  CHECK(answers_needed(0.0, 10) == 1);
}

TEST_CASE("a third of the planned cohort may collude unless the job says how many") {
  CHECK(colluding_sites(job_of(3)) == 1);
  CHECK(colluding_sites(job_of(5)) == 1);
  CHECK(colluding_sites(job_of(6)) == 2);
  CHECK(colluding_sites(job_of(10)) == 3);
  CHECK(colluding_sites(job_of(100, 0.1)) == 3);
  JobSpec job = job_of(10);
  job.privacy.colluding_sites = 1;
  CHECK(colluding_sites(job) == 1);
}

TEST_CASE("the threshold is that of the design, and two lists of survivors can't both reach it") {
  CHECK(threshold(3, 1) == 3);
  CHECK(threshold(4, 1) == 3);
  CHECK(threshold(5, 1) == 4);
  CHECK(threshold(10, 3) == 7);
  CHECK(smallest_cohort(1) == 3);
  CHECK(smallest_cohort(3) == 7);
  for (std::uint32_t c = 1; c <= 127; ++c) {
    for (std::uint32_t n = smallest_cohort(c); n <= 255; ++n) {
      const std::uint32_t t = threshold(n, c);
      // An honest site signs one list, so two lists share at most the c liars.
      REQUIRE(2 * t > n + c);
      REQUIRE(2 * (t - 1) <= n + c);
      REQUIRE(t <= n);
    }
  }
}

TEST_CASE("counts are summed over one group of all sites unless the job divides them") {
  JobSpec job = job_of(6);
  CHECK(count_groups(job) == std::vector<Names>{job.federation.sites});
  CHECK(count_group_of(job, "site-5") == 0);
  job.federation.count_groups = {{"site-0", "site-2", "site-4"}, {"site-1", "site-3", "site-5"}};
  CHECK(count_groups(job) == job.federation.count_groups);
  CHECK(count_group_of(job, "site-4") == 0);
  CHECK(count_group_of(job, "site-3") == 1);
  CHECK(count_group_of(job, "nobody") == 2);
  CHECK(count_groups(JobSpec{}).size() == 1);
  CHECK(count_group_of(JobSpec{}, "anyone") == 0);
}

}  // namespace
}  // namespace consilium::job
