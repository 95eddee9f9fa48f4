#include "common/task/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>
#include <utility>

#include "common/random/random_stream.h"

namespace consilium::task {
namespace {

bool have_same_patients(const EvaluatedPatients& left, const EvaluatedPatients& right) {
  return std::ranges::equal(left, right, {}, &std::vector<PatientCounts>::size, &std::vector<PatientCounts>::size);
}

/// Counts the patients beyond the first of each site.
std::size_t varying_patients(const EvaluatedPatients& patients) {
  std::size_t count = 0;
  for (const auto& site : patients) count += site.empty() ? 0 : site.size() - 1;
  return count;
}

/// Returns how often each patient of each site is in one sample.
std::vector<std::vector<std::uint64_t>> draw_sample(const EvaluatedPatients& patients, std::uint64_t seed,
                                                    std::uint32_t sample) {
  std::vector<std::vector<std::uint64_t>> times;
  for (std::size_t site = 0; site < patients.size(); ++site) {
    RandomStream stream(seed, RandomPurpose::kBootstrap, sample, std::to_string(site));
    std::vector<std::uint64_t>& drawn = times.emplace_back(patients[site].size(), 0);
    for (std::size_t i = 0; i < drawn.size(); ++i) ++drawn[stream.below(drawn.size())];
  }
  return times;
}

/// Stores a sample's metrics. A metric that occurs for the first time has no value in earlier samples.
void note_sample(const Metrics& metrics, std::uint32_t sample, std::uint32_t samples, Replicates& replicates) {
  for (const Metric& metric : metrics.values) {
    auto& values = replicates[metric.name];
    if (values.empty()) values.assign(samples, std::numeric_limits<double>::quiet_NaN());
    values[sample] = metric.value;
  }
}

}  // namespace

PatientCounts without_zeros(std::span<const std::uint64_t> counts) {
  PatientCounts kept;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    kept.elements.push_back(static_cast<std::uint32_t>(i));
    kept.counts.push_back(counts[i]);
  }
  return kept;
}

void add_patient(const PatientCounts& counts, std::uint64_t times, std::span<std::uint64_t> sum) {
  for (std::size_t i = 0; i < counts.elements.size(); ++i) sum[counts.elements[i]] += times * counts.counts[i];
}

Result<Metrics> metrics_of(const Task& task, const EvaluatedPatients& patients) {
  std::vector<std::uint64_t> sum(task.evaluation_elements(), 0);
  for (const auto& site : patients) {
    for (const PatientCounts& one : site) add_patient(one, 1, sum);
  }
  return task.metrics(sum);
}

Result<std::vector<Replicates>> bootstrap(const Task& task, std::span<const EvaluatedPatients> models,
                                          std::uint32_t samples, std::uint64_t seed) {
  for (const EvaluatedPatients& model : models) {
    if (!have_same_patients(model, models.front()))
      return fail(ErrorCode::kInvalidArgument, "bootstrap: the models were evaluated on different patients");
  }
  std::vector<Replicates> replicates(models.size());
  if (models.empty() || varying_patients(models.front()) < kFewestPatients) return replicates;
  std::vector<std::uint64_t> sum(task.evaluation_elements());
  for (std::uint32_t sample = 0; sample < samples; ++sample) {
    const auto times = draw_sample(models.front(), seed, sample);
    for (std::size_t model = 0; model < models.size(); ++model) {
      std::ranges::fill(sum, 0);
      for (std::size_t site = 0; site < times.size(); ++site) {
        for (std::size_t i = 0; i < times[site].size(); ++i) {
          if (times[site][i] != 0) add_patient(models[model][site][i], times[site][i], sum);
        }
      }
      CONSILIUM_ASSIGN(const Metrics metrics, task.metrics(sum));
      note_sample(metrics, sample, samples, replicates[model]);
    }
  }
  return replicates;
}

Replicates mean_of(std::span<const Replicates> models) {
  Replicates sums;
  std::map<std::string, std::vector<double>> having;
  for (const Replicates& model : models) {
    for (const auto& [name, values] : model) {
      sums[name].resize(values.size());
      having[name].resize(values.size());
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (std::isnan(values[i])) continue;
        sums[name][i] += values[i];
        having[name][i] += 1.0;
      }
    }
  }
  for (auto& [name, values] : sums) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] /= having[name][i];  // 0 / 0 is NaN: no model has it
  }
  return sums;
}

Replicates difference(const Replicates& left, const Replicates& right) {
  Replicates differences;
  for (const auto& [name, values] : left) {
    const auto found = right.find(name);
    if (found == right.end()) continue;
    std::vector<double>& own = differences[name];
    std::ranges::transform(values, found->second, std::back_inserter(own), std::minus<>());
  }
  return differences;
}

std::optional<Interval> percentile_interval(std::vector<double> values) {
  const std::size_t drawn = values.size();
  std::erase_if(values, [](double value) { return std::isnan(value); });
  if (values.empty() || 10 * values.size() < 9 * drawn) return std::nullopt;
  std::ranges::sort(values);
  // Section 12.4: the k-th smallest and the k-th largest of n values, with k = floor((n + 1) tail), at least 1.
  const auto k = static_cast<std::size_t>(std::floor(static_cast<double>(values.size() + 1) * kTail));
  const std::size_t at = std::max<std::size_t>(k, 1) - 1;
  return Interval{values[at], values[values.size() - 1 - at]};
}

std::map<std::string, Interval> intervals_of(const Replicates& replicates) {
  std::map<std::string, Interval> intervals;
  for (const auto& [name, values] : replicates) {
    if (const auto interval = percentile_interval(values)) intervals.emplace(name, *interval);
  }
  return intervals;
}

void add_intervals(const Replicates& replicates, Metrics& metrics) {
  for (Metric& metric : metrics.values) {
    if (const auto found = replicates.find(metric.name); found != replicates.end())
      metric.interval = percentile_interval(found->second);
  }
}

}  // namespace consilium::task
