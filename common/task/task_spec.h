#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/error/error.h"

namespace consilium::task {

/// What a model is trained to say about an image.
enum class TaskKind : std::uint8_t {
  kClassification = 1,  ///< one of the classes
  kMultiLabel = 2,      ///< any of the labels, each by itself
  kSegmentation = 3,    ///< one of the classes for each pixel or voxel; class 0 is the background
  kDetection = 4,       ///< boxes, each of one of the classes
};

/// What is done to a predicted map before it is counted, by what is known of the structures' anatomy.
struct Postprocess {
  /// Classes of which only the largest connected part stays; the rest becomes background. Neighbours touch at a corner.
  std::vector<std::uint32_t> largest_component{};
  /// Classes whose holes are filled: background that nothing connects with the map's edge but through the class or
  /// others. Neighbours share a side.
  std::vector<std::uint32_t> fill_holes{};
  [[nodiscard]] bool any() const { return !largest_component.empty() || !fill_holes.empty(); }
  bool operator==(const Postprocess&) const = default;
};

/// A task as a job declares it. The number of classes is the model's.
struct TaskSpec {
  TaskKind kind = TaskKind::kClassification;
  /// Probability from which on a class counts as found: sensitivity, specificity, and whatever a multi-label model
  /// says.
  double threshold = 0.5;
  /// Bins of the confidence whose calibration is measured; 0: it isn't.
  std::uint32_t calibration_bins = 0;
  Postprocess postprocess{};  ///< segmentation only
  bool operator==(const TaskSpec&) const = default;
};

enum class LossKind : std::uint8_t {
  kCrossEntropy = 1,
  kBinaryCrossEntropy = 2,
  kFocal = 3,
  kDiceCrossEntropy = 4,
  kFcos = 5,
};

/// What is known of a structure's size, in mm^2 or mm^3; in pixels or voxels where a data set doesn't say their size.
struct VolumeRange {
  std::uint32_t of_class = 0;
  double least = 0.0;
  double most = 0.0;
  bool operator==(const VolumeRange&) const = default;
};

/// A loss as a job declares it. Which numbers mean something depends on the kind; the others keep their defaults.
struct LossSpec {
  LossKind kind = LossKind::kCrossEntropy;
  /// One for each class, or empty (all 1). Cross entropy, focal, Dice + cross entropy: multiplies the term of an
  /// example (pixel) of that class; binary cross entropy: multiplies the term of the label's positives.
  std::vector<double> class_weights;
  /// The weights follow from the counts of all sites' labels (class_balance.h); class_weights is empty then.
  bool balanced = false;
  double label_smoothing = 0.0;        ///< cross entropy: share of the truth that is spread evenly over all classes
  double gamma = 2.0;                  ///< focal and fcos: exponent of (1 - p)
  double alpha = 0.25;                 ///< focal of labels, and fcos: weight of positives against negatives
  double dice_weight = 1.0;            ///< Dice + cross entropy: factor of the Dice term
  double boundary_weight = 0.0;        ///< segmentation: factor of the boundary term (losses.h)
  double volume_weight = 0.0;          ///< segmentation: factor of the volume term; not 0 where there are ranges
  std::vector<VolumeRange> volumes{};  ///< by class, ascending
  bool operator==(const LossSpec&) const = default;
};

inline constexpr std::uint32_t kMaxCalibrationBins = 100;
/// What multi-label jobs have where they don't say.
inline constexpr std::uint32_t kCalibrationBins = 15;

/// Names as jobs write them: "multi_label", "dice_cross_entropy", ...
[[nodiscard]] std::string_view name_of(TaskKind kind);
[[nodiscard]] std::string_view name_of(LossKind kind);

/// The task of a job that names its kind alone.
[[nodiscard]] TaskSpec default_task(TaskKind kind);
/// The losses that a task can be trained with, the default first.
[[nodiscard]] std::span<const LossKind> losses_of(TaskKind kind);
[[nodiscard]] LossSpec default_loss(TaskKind kind);
/// Does the number mean something for this loss of this task? A key that means nothing is refused and isn't written.
struct LossKeys {
  bool class_weights = false;
  bool balanced = false;
  bool label_smoothing = false;
  bool gamma = false;
  bool alpha = false;
  bool dice_weight = false;
  bool anatomy = false;  ///< boundary_weight, volume_weight and volumes
};
[[nodiscard]] LossKeys keys_of(LossKind loss, TaskKind task);

/// Checks numbers that came from outside. Fails with kInvalidArgument, naming the key, where one is out of range, the
/// loss isn't one of the task's, or the weights aren't one for each class.
Result<void> check(const TaskSpec& task);
Result<void> check(const Postprocess& rules, std::uint64_t classes);
Result<void> check(const LossSpec& loss, const TaskSpec& task, std::uint64_t classes);

}  // namespace consilium::task
