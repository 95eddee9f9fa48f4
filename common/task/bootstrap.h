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

/// How far a metric would vary if other patients had been there: the bootstrap over patients (Efron and Tibshirani
/// 1993, "An Introduction to the Bootstrap", chapter 13). A patient is drawn with all examples, for they are alike.
namespace consilium::task {

/// What one patient adds to the counters of an evaluation, without the zeros.
struct PatientCounts {
  std::vector<std::uint32_t> elements;  ///< ascending indices into Task::evaluation_fields()' elements
  std::vector<std::uint64_t> counts;    ///< as many, none zero
  bool operator==(const PatientCounts&) const = default;
};

/// Takes the counters of one patient; @param counts  Task::evaluation_elements() elements
[[nodiscard]] PatientCounts without_zeros(std::span<const std::uint64_t> counts);
/// Adds a patient `times` times. @param sum  Task::evaluation_elements() elements
void add_patient(const PatientCounts& counts, std::uint64_t times, std::span<std::uint64_t> sum);

/// Every patient of an evaluation, site by site. Of models that are compared, sites and patients are the same, in the
/// same order.
using EvaluatedPatients = std::vector<std::vector<PatientCounts>>;

/// Adds up all patients, and computes the metrics.
Result<Metrics> metrics_of(const Task& task, const EvaluatedPatients& patients);

/// A metric's values over the samples of a bootstrap; NaN where a sample doesn't have it (nobody of a class).
using Replicates = std::map<std::string, std::vector<double>>;

/// Patients beyond the first of each site that replicates need. A site's only patient is in every sample, so samples
/// vary by these alone; of fewer, an interval would be too narrow to mean anything.
inline constexpr std::size_t kFewestPatients = 10;

/// Draws samples of the patients, each site's with replacement and as many as it has, and computes the metrics of each
/// sample for every model. All models see the same samples, so that differences between them can be taken sample by
/// sample.
/// @param models   at least one, over the same patients
/// @param samples  how many, at least 1
/// @param seed     decides the draws
/// Returns the replicates of each model, empty ones where there are too few patients (kFewestPatients). Fails with
/// kInvalidArgument where the models' patients differ in number, and as Task::metrics() does.
Result<std::vector<Replicates>> bootstrap(const Task& task, std::span<const EvaluatedPatients> models,
                                          std::uint32_t samples, std::uint64_t seed);

/// The share of samples that an interval leaves out at each side: 95 % lie within.
inline constexpr double kTail = 0.025;
/// Samples that comparisons draw.
inline constexpr std::uint32_t kBootstrapSamples = 1000;

/// The mean over models, sample by sample; of a sample in which some model hasn't the metric, over the others.
[[nodiscard]] Replicates mean_of(std::span<const Replicates> models);
/// What `left` has more than `right`, sample by sample, in the metrics of both.
[[nodiscard]] Replicates difference(const Replicates& left, const Replicates& right);

/// The percentile interval of 95 % (section 13.3). Nothing where fewer than nine of ten samples have a value: what is
/// left would not be a sample of anything.
[[nodiscard]] std::optional<Interval> percentile_interval(std::vector<double> values);
/// The interval of each metric that has one.
[[nodiscard]] std::map<std::string, Interval> intervals_of(const Replicates& replicates);
/// Gives each metric its interval, where its replicates have one.
void add_intervals(const Replicates& replicates, Metrics& metrics);

}  // namespace consilium::task
