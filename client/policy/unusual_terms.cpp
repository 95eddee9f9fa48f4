#include "client/policy/unusual_terms.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

#include "common/job/learning_rates.h"
#include "common/model/model_parameters.h"
#include "common/task/task_spec.h"

namespace consilium::policy {
namespace {

/// In units of a sum's words. If a step of the learning rate has fewer units, changes are rounded to so few values that
/// a sum reveals, parameter by parameter, how many hospitals are above a threshold of the researcher's choice.
constexpr double kFewestUnits = 256.0;
/// Running statistics change by the data's own size, which is around 1. With this clip, a step of 1 has that many
/// units, too.
constexpr double kLargestBufferClip = 16'384.0;
/// The largest weight of a class; its inverse is the smallest one. No class may weigh more than a hundred times as much
/// as another.
constexpr double kLargestWeight = 100.0;
/// The largest gamma of a focal loss. 2 is usual; at 5 an image whose true class has probability 0.5 weighs 3 %.
constexpr double kLargestGamma = 5.0;
constexpr double kLeastAlpha = 0.05;
constexpr double kMostSmoothing = 0.5;
/// Bounds for the standard deviation of the images' values, which range from 0 to 1 for byte images, and into the
/// thousands in raw CT.
constexpr double kLeastDeviation = 1e-3;
constexpr double kLargestDeviation = 1e5;

/// Returns the value of one unit of a sum's words for a hospital that has as many examples as the bound: clip / 2^30,
/// divided by the share 1 / k that each of k hospitals' weights has.
double unit_of(const job::JobSpec& job, double clip) {
  const double hospitals = static_cast<double>(job.federation.sites.empty() ? 1 : job.federation.sites.size());
  return std::ldexp(clip, -30) * hospitals;
}

void add_coarse(const job::JobSpec& job, std::vector<std::string>& terms) {
  const double step = job::smallest_step(job);
  if (step < kFewestUnits * unit_of(job, job.privacy.clip)) {
    terms.push_back(
        fmt::format("with a clip of {}, {} and {} hospitals, updates are rounded to few values, and those of single "
                    "hospitals may be recovered from a sum of few",
                    job.privacy.clip, steps_in_words(job), job.federation.sites.size()));
  }
  if (job.privacy.buffer_clip > kLargestBufferClip) {
    terms.push_back(
        fmt::format("with a buffer_clip of {}, running statistics are rounded to few values, and those of single "
                    "hospitals may be recovered from a sum of few",
                    job.privacy.buffer_clip));
  }
}

/// Adds a term for a model that is small, or mostly frozen.
void add_few_trained(const job::JobSpec& job, std::vector<std::string>& terms) {
  const auto manifest = model::build_manifest(job.model);
  if (!manifest || manifest->update_size() >= kFewestCoordinates) return;
  terms.push_back(
      fmt::format("an update of {} parameters is too small to check whether the updates of single hospitals may be "
                  "recovered from a sum of few",
                  manifest->update_size()));
}

void add_class_weights(const std::vector<double>& weights, std::vector<std::string>& terms) {
  if (weights.empty()) return;
  const auto [least, most] = std::ranges::minmax(weights);
  if (least >= 1.0 / kLargestWeight && most <= kLargestWeight && most <= kLargestWeight * least) return;
  terms.push_back(fmt::format(
      "class weights from {} to {} make updates depend on the images of few classes only, or of none", least, most));
}

void add_loss(const job::JobSpec& job, std::vector<std::string>& terms) {
  const task::LossSpec& loss = job.training.loss;
  const task::LossKeys keys = task::keys_of(loss.kind, job.task.kind);
  if (keys.class_weights) add_class_weights(loss.class_weights, terms);
  if (keys.gamma && loss.gamma > kLargestGamma)
    terms.push_back(fmt::format(
        "with a gamma of {}, updates depend mostly on the few images that the model gets most wrong", loss.gamma));
  if (keys.alpha && (loss.alpha < kLeastAlpha || loss.alpha > 1.0 - kLeastAlpha))
    terms.push_back(
        fmt::format("with an alpha of {}, updates depend on the positives only, or on the negatives only", loss.alpha));
  if (keys.label_smoothing && loss.label_smoothing > kMostSmoothing)
    terms.push_back(
        fmt::format("with a label_smoothing of {}, little is learned from the labels: updates reveal what the model "
                    "answers on the images",
                    loss.label_smoothing));
}

void add_normalization(const job::JobSpec& job, std::vector<std::string>& terms) {
  if (!job.data.normalize) return;
  for (const double std : job.data.normalize->std) {
    if (std >= kLeastDeviation && std <= kLargestDeviation) continue;
    terms.push_back(
        fmt::format("images are divided by {}, which makes their values too large or too small for the model", std));
    return;
  }
}

}  // namespace

std::string steps_in_words(const job::JobSpec& job) {
  const double step = job::smallest_step(job);
  const double rate = job::learning_rates(job).first;
  if (step == rate) return fmt::format("a learning rate of {}", rate);
  return fmt::format("steps of {} (a learning rate of {}, gradients clipped to {})", step, rate,
                     *job.training.gradient_clip);
}

std::vector<std::string> unusual_terms(const job::JobSpec& job) {
  std::vector<std::string> terms;
  if (job::is_masked(job)) {
    add_coarse(job, terms);
    add_few_trained(job, terms);  // check: few-trained
  }
  add_loss(job, terms);
  add_normalization(job, terms);
  return terms;
}

}  // namespace consilium::policy
