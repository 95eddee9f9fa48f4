#include "client/policy/unusual_terms.h"

#include <spdlog/fmt/fmt.h>

#include <cmath>

#include "common/job/learning_rates.h"

namespace consilium::policy {
namespace {

/// Of a sum's words. Where a step of the learning rate is fewer, changes are rounded to so few values that a sum shows
/// how many hospitals are above a threshold of the researcher's choice, parameter by parameter.
constexpr double kFewestUnits = 256.0;
/// Running statistics change by the data's own size, which is around 1: this leaves a step of 1 as many units, too.
constexpr double kLargestBufferClip = 16'384.0;

/// What one unit of a sum's words means to the hospital that has as many examples as the bound: clip / 2^30 by the
/// share 1 / k that k hospitals' weights have.
double unit_of(const job::JobSpec& job, double clip) {
  const double hospitals = static_cast<double>(job.federation.sites.empty() ? 1 : job.federation.sites.size());
  return std::ldexp(clip, -30) * hospitals;
}

void add_coarse(const job::JobSpec& job, std::vector<std::string>& terms) {
  const double rate = job::learning_rates(job).first;
  if (rate < kFewestUnits * unit_of(job, job.privacy.clip)) {
    terms.push_back(fmt::format(
        "with a clip of {}, a learning rate of {} and {} hospitals updates are rounded to few values, and a "
        "sum of few hospitals' may be taken apart",
        job.privacy.clip, rate, job.federation.sites.size()));
  }
  if (job.privacy.buffer_clip > kLargestBufferClip) {
    terms.push_back(fmt::format(
        "with a buffer_clip of {} running statistics are rounded to few values, and a sum of few hospitals' "
        "may be taken apart",
        job.privacy.buffer_clip));
  }
}

}  // namespace

std::vector<std::string> unusual_terms(const job::JobSpec& job) {
  std::vector<std::string> terms;
  if (!job::is_masked(job)) return terms;
  add_coarse(job, terms);
  return terms;
}

}  // namespace consilium::policy
