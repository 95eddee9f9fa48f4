#include "common/task/detection.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

#include "common/task/average_precision.h"
#include "common/task/kinds.h"
#include "common/task/limits.h"

namespace consilium::task {
namespace {

class Detection : public Task {
 public:
  Detection(const TaskSpec& spec, std::uint64_t classes) : Task(spec, classes), bins_(detection_bins(classes)) {
    fields_ = first_fields();
    fields_.push_back(encoding::count_field(std::string(kTruths), classes, kMaxSiteExamples));
    fields_.push_back(encoding::count_field(std::string(kDetections), classes * bins_, kMaxSiteExamples));
    fields_.push_back(encoding::count_field(std::string(kHits), classes * kIouThresholds * bins_, kMaxSiteExamples));
  }

 private:
  [[nodiscard]] std::span<const std::uint64_t> hits_of(const Counts& counts, std::uint64_t index,
                                                       std::uint32_t threshold) const {
    return counts.row(kHits, index, classes()).subspan(std::size_t{threshold} * bins_, bins_);
  }

  Result<void> check_counts(const Counts& counts) const override {
    CONSILIUM_ASSIGN(const std::uint64_t predicted, total(counts.of(kDetections)));
    const std::uint64_t examples = counts.one(kExamples);
    const std::uint64_t whole = predicted / kMaxDetections;  // images with the maximum number of detections
    if (whole > examples || (whole == examples && predicted % kMaxDetections != 0))
      return contradiction(fmt::format("found {} detections in {} images, but at most {} per image are counted",
                                       predicted, examples, kMaxDetections));
    for (std::uint64_t index = 0; index < classes(); ++index) {
      const auto detections = counts.row(kDetections, index, classes());
      for (std::uint32_t threshold = 0; threshold < kIouThresholds; ++threshold) {
        const auto hits = hits_of(counts, index, threshold);
        for (std::size_t bin = 0; bin < bins_; ++bin) {
          if (hits[bin] > detections[bin])
            return contradiction(fmt::format("class {}, bin {}: {} of {} detections found a box", index, bin, hits[bin],
                                             detections[bin]));
        }
        CONSILIUM_ASSIGN(const std::uint64_t found, total(hits));
        CONSILIUM_TRY(check_at_most(found, counts.of(kTruths)[index], fmt::format("class {}: boxes found", index)));
      }
    }
    return {};
  }

  void add_metrics(const Counts& counts, Metrics& metrics) const override {
    BoundedMean all;
    BoundedMean half;
    BoundedMean three_quarters;
    BoundedMean recall;
    std::vector<Metric> by_class;
    for (std::uint64_t index = 0; index < classes(); ++index) {
      const std::uint64_t truths = counts.of(kTruths)[index];
      if (truths == 0) continue;
      const auto detections = counts.row(kDetections, index, classes());
      BoundedMean mean;
      for (std::uint32_t threshold = 0; threshold < kIouThresholds; ++threshold) {
        const auto hits = hits_of(counts, index, threshold);
        const Bounded area = average_precision(hits, detections, truths);
        mean.add(area.value, area.error);
        recall.add(ratio(*total(hits), truths));  // already checked
        if (threshold == 0) half.add(area.value, area.error);
        if (threshold == kIouThresholds / 2) three_quarters.add(area.value, area.error);
      }
      all.add(mean.value(), mean.error());
      by_class.push_back({fmt::format("map_class_{}", index), mean.value(), mean.error()});
    }
    add_mean("map", all, metrics);
    add_mean("map_50", half, metrics);
    add_mean("map_75", three_quarters, metrics);
    if (!recall.empty()) metrics.values.push_back({"average_recall", recall.value()});
    if (classes() <= kMaxClassesByName) metrics.values.insert(metrics.values.end(), by_class.begin(), by_class.end());
  }

  /// Adds a mean. If there is no box to find, nothing is known: one half, plus or minus one half.
  static void add_mean(const char* name, const BoundedMean& mean, Metrics& metrics) {
    metrics.values.push_back({name, mean.empty() ? 0.5 : mean.value(), mean.empty() ? 0.5 : mean.error()});
  }

  std::uint32_t bins_;
};

}  // namespace

std::size_t detection_bin(double score, std::size_t bins) {
  constexpr double range = kDetectionLogitRange;
  const double logit = std::log(score) - std::log1p(-score);  // -inf at 0 and inf at 1
  const double clamped = std::clamp(logit, -range, range);
  const double bin = std::floor((clamped + range) / (2.0 * range) * static_cast<double>(bins));
  return static_cast<std::size_t>(std::clamp(bin, 0.0, static_cast<double>(bins - 1)));
}

std::shared_ptr<const Task> make_detection(const TaskSpec& spec, std::uint64_t classes) {
  return std::make_shared<Detection>(spec, classes);
}

}  // namespace consilium::task
