#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "client/trainer/data/target.h"
#include "client/trainer/protocol/messages.h"
#include "common/error/error.h"

namespace consilium::data {

/// The values of examples, one example after another, each in the model's input order ([C, H, W] or [F]). uint8 images
/// stay uint8 (0 to 255). float32 and float64 become float32 and are finite.
using Values = std::variant<std::vector<std::uint8_t>, std::vector<float>>;

/// The examples of one split. labels.size() is their number, and each label is below Dataset::classes. If the target
/// isn't a class, the labels are 0 and `parts` holds the targets, one example after another.
struct Split {
  Values values;
  std::vector<std::uint16_t> labels;
  std::vector<std::uint8_t> parts{};  ///< kMask: the class of each pixel or voxel; kLabels: 0 or 1 for each label

  [[nodiscard]] std::size_t size() const { return labels.size(); }
  /// Returns the number of elements of `parts` that belong to one example.
  [[nodiscard]] std::size_t parts_size() const { return labels.empty() ? 0 : parts.size() / labels.size(); }
  bool operator==(const Split&) const = default;
};

/// The data that a site trains and evaluates on. All splits hold the same type of values.
struct Dataset {
  std::vector<std::int64_t> shape;  ///< of one example; equals the model's input
  std::int64_t classes = 0;
  Split train;
  Split val;
  Split test;
  TargetKind target = TargetKind::kClass;  ///< kClass, kLabels or kMask, the same for all splits

  /// Returns the number of values of one example: the product of shape.
  [[nodiscard]] std::size_t example_size() const;
  bool operator==(const Dataset&) const = default;
};

/// The targets that a caller of read_dataset() can use: only classes, or whatever the arrays hold.
enum class Targets : std::uint8_t { kClasses, kAny };

/// The most that a reader accepts.
struct ReadLimits {
  std::uint64_t bytes = std::uint64_t{4} << 30;  ///< of all decoded arrays together
};

/// Reads a data set from disk and matches it with a model. The files are hostile input: every declared size is checked
/// against the limit and the file before anything is allocated. Fails if something is missing, truncated, NaN or of
/// another shape or type, if a label isn't below `classes`, or if the targets aren't among those accepted. The error
/// names the file and the array.
/// @param input   shape of one example in the model; N x H x W matches [1, H, W], and N x H x W x C matches [C, H, W]
/// @param classes 1 to 65536
Result<Dataset> read_dataset(const trainer::DataSource& source, const std::vector<std::int64_t>& input,
                             std::int64_t classes, const ReadLimits& limits = {}, Targets accepted = Targets::kClasses);

/// Copies the examples at these indices, in the given order.
/// @param example_size Dataset::example_size()
[[nodiscard]] Split select(const Split& split, std::span<const std::uint32_t> indices, std::size_t example_size);

}  // namespace consilium::data
