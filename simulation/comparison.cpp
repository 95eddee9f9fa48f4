#include "simulation/comparison.h"

#include <string>
#include <utility>
#include <vector>

#include "common/job/round_order.h"

namespace consilium::simulation {
namespace {

/// The metrics of each evaluated model with their intervals, and how these were drawn.
struct Measured {
  std::vector<task::Metrics> metrics;
  std::vector<task::Replicates> replicates;
};
Result<Measured> measure(const Simulator::Job& job, std::span<const task::EvaluatedPatients> patients) {
  Measured measured;
  CONSILIUM_ASSIGN(const auto task, job::task_of(job.spec));
  CONSILIUM_ASSIGN(measured.replicates, task::bootstrap(*task, patients, task::kBootstrapSamples, job.spec.seed));
  for (std::size_t i = 0; i < patients.size(); ++i) {
    CONSILIUM_ASSIGN(task::Metrics own, task::metrics_of(*task, patients[i]));
    task::add_intervals(measured.replicates[i], own);
    measured.metrics.push_back(std::move(own));
  }
  return measured;
}

}  // namespace

Result<Arms> parse_arms(const std::string& text) {
  Arms arms;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string arm = text.substr(begin, end - begin);
    if (arm == "alone") {
      arms.alone = true;
    } else if (arm == "ensemble") {
      arms.alone = arms.ensemble = true;
    } else if (arm == "federated") {
      arms.federated = true;
    } else if (arm == "pooled") {
      arms.pooled = true;
    } else {
      return fail(ErrorCode::kInvalidArgument,
                  "--compare: expected alone, ensemble, federated or pooled, separated by commas, found '" + arm + "'");
    }
    begin = end + 1;
  }
  return arms;
}

Result<report::Comparison> comparison_of(const Simulator::Job& job, const Arms& arms,
                                         std::span<const task::EvaluatedPatients> patients) {
  CONSILIUM_ASSIGN(const Measured measured, measure(job, patients));
  const auto& [metrics, replicates] = measured;
  report::Comparison comparison;
  std::size_t at = 0;
  if (arms.pooled) comparison.pooled = metrics[at++];
  const std::size_t first_alone = at;
  if (arms.alone) {
    for (const SimulatedSite& site : job.sites) comparison.alone[site.name] = metrics[at++];
    const auto alone = task::mean_of(std::span(replicates).subspan(first_alone, at - first_alone));
    comparison.alone_intervals = task::intervals_of(alone);
    if (arms.federated) comparison.gain_intervals = task::intervals_of(task::difference(replicates.back(), alone));
  }
  if (arms.ensemble) comparison.ensemble = metrics[at++];
  if (arms.federated) comparison.federated = metrics[at];
  return comparison;
}

Result<report::Comparison> personal_comparison_of(const Simulator::Job& job,
                                                  std::span<const task::EvaluatedPatients> patients) {
  CONSILIUM_ASSIGN(const Measured measured, measure(job, patients));
  report::Comparison comparison;
  comparison.federated = measured.metrics[0];
  comparison.personal = measured.metrics[1];
  comparison.personal_gain_intervals =
      task::intervals_of(task::difference(measured.replicates[1], measured.replicates[0]));
  return comparison;
}

}  // namespace consilium::simulation
