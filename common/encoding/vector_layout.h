#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"
#include "common/parameters/parameter_manifest.h"

namespace consilium::encoding {

/// How the elements of a field become words of the ring of integers mod 2^32.
enum class FieldKind : std::uint8_t {
  kFixedPoint = 1,  ///< round(w * clamp(x, -bound, bound) * scale): one word an element
  kCount = 2,       ///< an unsigned integer in 16-bit limbs, least significant first: `limbs` words an element
};

/// A run of elements of one kind in the vector that a site contributes to a sum.
struct Field {
  std::string name;
  FieldKind kind = FieldKind::kFixedPoint;
  std::uint64_t elements = 0;
  double bound = 0.0;        ///< fixed point: the clip C
  double scale = 0.0;        ///< fixed point: s = floor(2^30 / C)
  std::uint32_t limbs = 1;   ///< count: 16-bit limbs per element, 1 to 4
  std::uint64_t offset = 0;  ///< first word; computed by VectorLayout

  [[nodiscard]] std::uint64_t words() const { return kind == FieldKind::kCount ? elements * limbs : elements; }
  bool operator==(const Field&) const = default;
};

/// Describes the integer vector of one sum. Every number that a site reports about its data is a word of such a vector,
/// in plain and masked jobs alike; no message field contains one. Immutable once created.
class VectorLayout {
 public:
  static constexpr std::uint64_t kMaxWords = std::uint64_t{1} << 31;

  VectorLayout() = default;
  /// Lays the fields out one after the other. Fails with kInvalidArgument if there are no fields, a name is empty or
  /// repeated, a field has no elements, limbs are outside 1..4, a bound or scale isn't finite and > 0, scale * bound >
  /// 2^30, or there are more than kMaxWords words.
  static Result<VectorLayout> create(std::vector<Field> fields);

  [[nodiscard]] const std::vector<Field>& fields() const { return fields_; }
  [[nodiscard]] std::uint64_t word_count() const { return word_count_; }
  /// Returns the field of that name, or nullptr.
  [[nodiscard]] const Field* find(std::string_view name) const;

  bool operator==(const VectorLayout&) const = default;

 private:
  std::vector<Field> fields_;
  std::uint64_t word_count_ = 0;
};

/// Builds a fixed-point field with s = floor(2^30 / bound).
[[nodiscard]] Field fixed_point_field(std::string name, std::uint64_t elements, double bound);
/// Builds a count field with as few limbs as can hold `max_value`, the largest value of an element.
[[nodiscard]] Field count_field(std::string name, std::uint64_t elements, std::uint64_t max_value);

// Field names of the three kinds of sum (docs/formats/encoding.md). common/task has those of an evaluation.
inline constexpr std::string_view kExamples = "examples";             // count: 1 (census: train, val, test)
inline constexpr std::string_view kClassExamples = "class_examples";  // census, count: training examples by class
inline constexpr std::string_view kLoss = "loss";  // train: mean loss, fixed point; evaluate: summed loss x 2^20, count
inline constexpr std::string_view kClipped = "clipped";  // train, count: number of clipped coordinates
/// Mode masked, all kinds of sum, count: the number of sites whose result was unusable. If it isn't 0, the sum is void.
inline constexpr std::string_view kUnusable = "unusable";
// train: one field for each of ParameterManifest::update_runs(), "parameters.0", "parameters.1", ...; together they are
// the manifest's vector in its order, without the frozen tensors.
inline constexpr std::string_view kParametersPrefix = "parameters.";

/// The largest number of examples that a site may count in one split, which fits in two limbs.
inline constexpr std::uint64_t kMaxSiteExamples = 0xFFFFFFFFu;
/// The largest mean training loss that is reported; larger values are clipped.
inline constexpr double kMaxTrainLoss = 1024.0;

/// The optional fields of a sum.
struct Extras {
  bool examples = false;  ///< train: the site's number of examples, for the divisor of the mean
  bool unusable = false;  ///< whether a site can report that its result was unusable
  bool alone = false;     ///< evaluation: also the counters of the sites' own models
};
/// Lays out an update. The parameters come first, so that the decoded sum is the mean delta in the manifest's order,
/// without the frozen tensors. The loss and the number of clipped coordinates follow, then the extras.
Result<VectorLayout> train_layout(const ParameterManifest& manifest, double clip, double buffer_clip, Extras extras);
/// Returns the fields of an update's parameters, one for each of the manifest's update_runs(). Fails with
/// kInvalidArgument if the layout's parameter fields differ from these.
Result<std::vector<Field>> parameter_fields(const VectorLayout& layout, const ParameterManifest& manifest);

}  // namespace consilium::encoding
