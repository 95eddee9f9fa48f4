#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/error/error.h"

namespace consilium::task {

/// What a model learns to predict for an image.
enum class TaskKind : std::uint8_t {
  kClassification = 1,  ///< one of the classes
  kMultiLabel = 2,      ///< any of the labels, independently of each other
  kSegmentation = 3,    ///< one of the classes for each pixel or voxel; class 0 is the background
  kDetection = 4,       ///< boxes, each with one of the classes
};

/// Postprocessing of a predicted segmentation before it is counted, based on what is known of the structures' anatomy.
struct Postprocess {
  /// Classes of which only the largest connected component stays; the rest becomes background. Pixels or voxels that
  /// touch only at a corner are connected.
  std::vector<std::uint32_t> largest_component{};
  /// Classes whose holes are filled. A hole is background that is cut off from the map's edge by the class, possibly
  /// together with others. Pixels or voxels are connected if they share a side.
  std::vector<std::uint32_t> fill_holes{};
  [[nodiscard]] bool any() const { return !largest_component.empty() || !fill_holes.empty(); }
  bool operator==(const Postprocess&) const = default;
};

/// A task as a job declares it. The model determines the number of classes.
struct TaskSpec {
  TaskKind kind = TaskKind::kClassification;
  /// Probability from which a class counts as found, for sensitivity, specificity and all predictions of a multi-label
  /// model.
  double threshold = 0.5;
  /// Number of confidence bins for measuring calibration; 0: it isn't measured.
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

/// The known range of a structure's size, in mm^2 or mm^3, or in pixels or voxels if a data set doesn't state their
/// size.
struct VolumeRange {
  std::uint32_t of_class = 0;
  double least = 0.0;
  double most = 0.0;
  bool operator==(const VolumeRange&) const = default;
};

/// A loss as a job declares it. The kind decides which numbers mean something; the others keep their defaults.
struct LossSpec {
  LossKind kind = LossKind::kCrossEntropy;
  /// One for each class, or empty (all 1). In cross entropy, focal and Dice + cross entropy a weight multiplies the
  /// term of an example (pixel) of that class; in binary cross entropy, the term of the label's positives.
  std::vector<double> class_weights;
  /// Computes the weights from the counts of all sites' labels (class_balance.h). class_weights is then empty.
  bool balanced = false;
  double label_smoothing = 0.0;        ///< cross entropy: share of the target that is spread evenly over all classes
  double gamma = 2.0;                  ///< focal and fcos: exponent of (1 - p)
  double alpha = 0.25;                 ///< focal with labels, and fcos: weight of positives against negatives
  double dice_weight = 1.0;            ///< Dice + cross entropy: factor of the Dice term
  double boundary_weight = 0.0;        ///< segmentation: factor of the boundary term (losses.h)
  double volume_weight = 0.0;          ///< segmentation: factor of the volume term; not 0 if there are ranges
  std::vector<VolumeRange> volumes{};  ///< ascending by class
  bool operator==(const LossSpec&) const = default;
};

inline constexpr std::uint32_t kMaxCalibrationBins = 100;
/// Number of bins in multi-label jobs that don't state it.
inline constexpr std::uint32_t kCalibrationBins = 15;

/// Names as jobs write them: "multi_label", "dice_cross_entropy", ...
[[nodiscard]] std::string_view name_of(TaskKind kind);
[[nodiscard]] std::string_view name_of(LossKind kind);

/// Returns the task of a job that states only its kind.
[[nodiscard]] TaskSpec default_task(TaskKind kind);
/// Returns the losses with which a task can be trained, the default first.
[[nodiscard]] std::span<const LossKind> losses_of(TaskKind kind);
[[nodiscard]] LossSpec default_loss(TaskKind kind);
/// The numbers that mean something for a loss of a task. A job that states another number is refused, and other numbers
/// aren't written.
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

/// Check values from an untrusted source. They fail with kInvalidArgument, naming the key, if a value is out of range,
/// if the loss isn't one of the task's, or if there isn't one weight for each class.
Result<void> check(const TaskSpec& task);
Result<void> check(const Postprocess& rules, std::uint64_t classes);
Result<void> check(const LossSpec& loss, const TaskSpec& task, std::uint64_t classes);

}  // namespace consilium::task
