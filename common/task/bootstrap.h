#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/task/metrics.h"
#include "common/task/task.h"

/// How much a metric would vary with other patients: the bootstrap over patients (Efron and Tibshirani 1993, "An
/// Introduction to the Bootstrap", chapter 13). A patient is drawn with all of their examples, because these are alike.
namespace consilium::task {

/// The contribution of one patient to the counters of an evaluation, without the zeros.
struct PatientCounts {
  std::vector<std::uint32_t> elements;  ///< ascending indices into Task::evaluation_fields()' elements
  std::vector<std::uint64_t> counts;    ///< as many as elements, none zero
  bool operator==(const PatientCounts&) const = default;
};

/// Returns the counters of one patient in sparse form. @param counts  Task::evaluation_elements() elements
[[nodiscard]] PatientCounts without_zeros(std::span<const std::uint64_t> counts);
/// Adds a patient `times` times. @param sum  Task::evaluation_elements() elements
void add_patient(const PatientCounts& counts, std::uint64_t times, std::span<std::uint64_t> sum);

/// Every patient of an evaluation, site by site. Models can be compared only if their sites and patients are the same,
/// in the same order.
using EvaluatedPatients = std::vector<std::vector<PatientCounts>>;

/// Adds up all patients and computes the metrics.
Result<Metrics> metrics_of(const Task& task, const EvaluatedPatients& patients);

/// A metric's values over the samples of a bootstrap. NaN if a sample doesn't have the metric (nobody of a class).
using Replicates = std::map<std::string, std::vector<double>>;

/// Number of patients beyond the first of each site that replicates need. A site's only patient is in every sample, so
/// only these make samples vary. With fewer, an interval would be too narrow to mean anything.
inline constexpr std::size_t kFewestPatients = 10;

/// Draws samples of the patients and computes the metrics of each sample for every model. A sample contains, for each
/// site, as many patients as the site has, drawn with replacement. All models use the same samples, so that their
/// differences can be computed sample by sample. Fails with kInvalidArgument if the models' patients differ in number,
/// and as Task::metrics() does.
/// @param models   at least one, over the same patients
/// @param samples  number of samples, at least 1
/// @param seed     determines the draws
/// @return the replicates of each model; empty if there are too few patients (kFewestPatients)
Result<std::vector<Replicates>> bootstrap(const Task& task, std::span<const EvaluatedPatients> models,
                                          std::uint32_t samples, std::uint64_t seed);

/// The share of samples outside an interval on each side, so that 95 % lie within.
inline constexpr double kTail = 0.025;
/// Number of samples that comparisons draw.
inline constexpr std::uint32_t kBootstrapSamples = 1000;

/// Returns the mean over the models, sample by sample. Models that lack the metric in a sample are left out of its
/// mean.
[[nodiscard]] Replicates mean_of(std::span<const Replicates> models);
/// Returns `left` minus `right`, sample by sample, for the metrics that both have.
[[nodiscard]] Replicates difference(const Replicates& left, const Replicates& right);

/// Returns the percentile interval of 95 % (section 13.3). Returns nullopt if fewer than nine of ten samples have a
/// value, because the remaining ones wouldn't represent the samples.
[[nodiscard]] std::optional<Interval> percentile_interval(std::vector<double> values);
/// Returns the interval of each metric that has one.
[[nodiscard]] std::map<std::string, Interval> intervals_of(const Replicates& replicates);
/// Adds to each metric the interval of its replicates, if they have one.
void add_intervals(const Replicates& replicates, Metrics& metrics);

}  // namespace consilium::task
