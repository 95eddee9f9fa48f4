#include "common/task/segmentation.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

#include "common/task/kinds.h"
#include "common/task/limits.h"
#include "common/task/score_histogram.h"

namespace consilium::task {
namespace {

constexpr double kBinsPerOctave = 15.0;  // 17 octaves from kLeastDistance to kMostDistance: 255 bins

/// Returns the mean distance of the cases in a histogram: the middle of each bin, plus or minus half its width.
Bounded mean_distance(std::span<const std::uint64_t> histogram) {
  Bounded sum;
  double cases = 0.0;
  for (std::size_t bin = 0; bin < histogram.size(); ++bin) {
    const auto count = static_cast<double>(histogram[bin]);
    const double begin = bin < 2 ? 0.0 : distance_bin_end(bin - 1);
    const double end = distance_bin_end(bin);
    sum.value += count * 0.5 * (begin + end);
    sum.error += count * 0.5 * (end - begin);
    cases += count;
  }
  return {sum.value / cases, sum.error / cases};
}

class Segmentation : public Task {
 public:
  Segmentation(const TaskSpec& spec, std::uint64_t classes) : Task(spec, classes) {
    fields_ = first_fields();
    const std::uint64_t found = classes - 1;
    fields_.push_back(encoding::count_field(std::string(kOverlap), classes * kOverlapCount, kMaxSiteVoxels));
    fields_.push_back(encoding::count_field(std::string(kCases), found, kMaxSiteExamples));
    fields_.push_back(encoding::count_field(std::string(kDiceSums), found, ~std::uint64_t{0}));
    fields_.push_back(encoding::count_field(std::string(kIouSums), found, ~std::uint64_t{0}));
    fields_.push_back(encoding::count_field(std::string(kDistances), found * kDistanceBins, kMaxSiteExamples));
  }

 private:
  [[nodiscard]] std::size_t found_classes() const { return static_cast<std::size_t>(classes()) - 1; }

  Result<void> check_counts(const Counts& counts) const override {
    CONSILIUM_TRY(check_voxels(counts));
    for (std::size_t index = 0; index < found_classes(); ++index) CONSILIUM_TRY(check_class(counts, index));
    return {};
  }

  /// Checks that every voxel has one class in the truth and one in the prediction.
  Result<void> check_voxels(const Counts& counts) const {
    std::uint64_t predicted = 0;
    std::uint64_t truth = 0;
    for (std::size_t index = 0; index < classes(); ++index) {
      const auto voxels = counts.row(kOverlap, index, classes());
      if (voxels[kIntersection] > std::min(voxels[kPredicted], voxels[kTruth]))
        return contradiction(fmt::format("class {}: {} voxels in both, {} predicted and {} true", index,
                                         voxels[kIntersection], voxels[kPredicted], voxels[kTruth]));
      if (__builtin_add_overflow(predicted, voxels[kPredicted], &predicted) ||
          __builtin_add_overflow(truth, voxels[kTruth], &truth))
        return contradiction("a sum of voxels exceeds 64 bits");
    }
    if (predicted != truth)
      return contradiction(fmt::format("{} voxels are predicted, {} have a true class", predicted, truth));
    return check_at_most(counts.one(kExamples), truth, "cases");
  }

  Result<void> check_class(const Counts& counts, std::size_t index) const {
    const auto voxels = counts.row(kOverlap, index + 1, classes());
    const std::uint64_t cases = counts.of(kCases)[index];
    const std::uint64_t dice = counts.of(kDiceSums)[index];
    const std::uint64_t iou = counts.of(kIouSums)[index];
    const std::string name = fmt::format("class {}", index + 1);
    CONSILIUM_TRY(check_at_most(cases, counts.one(kExamples), name + ": cases"));
    std::uint64_t seen = 0;  // voxels with the class in the truth or the prediction
    if (__builtin_add_overflow(voxels[kPredicted] - voxels[kIntersection], voxels[kTruth], &seen))
      return contradiction(name + ": a sum of voxels exceeds 64 bits");
    if ((cases == 0) != (seen == 0) || cases > seen)
      return contradiction(fmt::format("{}: {} cases with {} voxels", name, cases, seen));
    CONSILIUM_TRY(check_unit_sum(dice, cases, name + ": Dice coefficients"));
    CONSILIUM_TRY(check_unit_sum(iou, cases, name + ": intersections over unions"));
    // For each case IoU <= Dice <= 2 IoU, and both were rounded to a unit.
    if (iou > dice && iou - dice > cases)
      return contradiction(fmt::format("{}: the intersections over unions exceed the Dice coefficients", name));
    if (dice / 2 > iou && dice / 2 - iou > cases)
      return contradiction(fmt::format("{}: the Dice coefficients exceed twice the intersections over unions", name));
    if (voxels[kIntersection] == 0 && (dice != 0 || iou != 0))
      return contradiction(fmt::format("{}: Dice coefficients above 0 without a common voxel", name));
    CONSILIUM_ASSIGN(const std::uint64_t measured, total(counts.row(kDistances, index, found_classes())));
    return check_at_most(measured, std::min({cases, voxels[kPredicted], voxels[kTruth]}),
                         name + ": cases with a distance");
  }

  void add_metrics(const Counts& counts, Metrics& metrics) const override {
    BoundedMean dice;
    BoundedMean iou;
    BoundedMean dice_pooled;
    BoundedMean iou_pooled;
    BoundedMean distance;
    BoundedMean missed;
    std::vector<Metric> by_class;
    for (std::size_t index = 0; index < found_classes(); ++index) {
      const std::uint64_t cases = counts.of(kCases)[index];
      if (cases == 0) continue;
      const auto voxels = counts.row(kOverlap, index + 1, classes());
      const auto both = static_cast<double>(voxels[kIntersection]);
      const double sides = static_cast<double>(voxels[kPredicted]) + static_cast<double>(voxels[kTruth]);
      dice_pooled.add(2.0 * both / sides);
      iou_pooled.add(both / (sides - both));
      const double one = mean_of(counts.of(kDiceSums)[index], cases);
      dice.add(one, kHalfUnit);
      iou.add(mean_of(counts.of(kIouSums)[index], cases), kHalfUnit);
      by_class.push_back({fmt::format("dice_class_{}", index + 1), one, kHalfUnit});
      const auto histogram = counts.row(kDistances, index, found_classes());
      const std::uint64_t measured = *total(histogram);  // already checked
      missed.add(1.0 - ratio(measured, cases));
      if (measured == 0) continue;
      const Bounded far = mean_distance(histogram);
      distance.add(far.value, far.error);
      by_class.push_back({fmt::format("hd95_class_{}", index + 1), far.value, far.error, false});
    }
    add_mean("dice", dice, metrics);
    add_mean("iou", iou, metrics);
    if (!distance.empty()) metrics.values.push_back({"hd95", distance.value(), distance.error(), false});
    add_mean("dice_pooled", dice_pooled, metrics);
    add_mean("iou_pooled", iou_pooled, metrics);
    if (!missed.empty()) metrics.values.push_back({"missed", missed.value(), 0.0, false});
    if (classes() <= kMaxClassesByName) metrics.values.insert(metrics.values.end(), by_class.begin(), by_class.end());
    const auto overlap = counts.of(kOverlap);
    if (overlap.size() <= kMaxTableCounts)
      metrics.tables.push_back({std::string(kOverlap),
                                static_cast<std::uint32_t>(classes()),
                                kOverlapCount,
                                {overlap.begin(), overlap.end()}});
  }

  /// Adds a mean. If no case has any class, nothing is known: one half, plus or minus one half.
  static void add_mean(const char* name, const BoundedMean& mean, Metrics& metrics) {
    metrics.values.push_back({name, mean.empty() ? 0.5 : mean.value(), mean.empty() ? 0.5 : mean.error()});
  }
  static double mean_of(std::uint64_t sum, std::uint64_t cases) {
    return static_cast<double>(sum) / kUnit / static_cast<double>(cases);
  }
  static constexpr double kHalfUnit = 0.5 / kUnit;
};

}  // namespace

std::size_t distance_bin(double distance) {
  if (!(distance > 0.0)) return 0;
  const double bin = std::floor(std::log2(distance / kLeastDistance) * kBinsPerOctave);
  return 1 + static_cast<std::size_t>(std::clamp(bin, 0.0, static_cast<double>(kDistanceBins - 2)));
}

double distance_bin_end(std::size_t bin) {
  return bin == 0 ? 0.0 : kLeastDistance * std::exp2(static_cast<double>(bin) / kBinsPerOctave);
}

std::shared_ptr<const Task> make_segmentation(const TaskSpec& spec, std::uint64_t classes) {
  return std::make_shared<Segmentation>(spec, classes);
}

}  // namespace consilium::task
