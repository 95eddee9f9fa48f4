#include "common/encoding/vector_layout.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_set>
#include <utility>

namespace consilium::encoding {

namespace {

constexpr double kRing = 1073741824.0;  // 2^30: half of the signed range leaves room for sites that join later

Result<void> check(const Field& field) {
  const auto refuse = [&](std::string_view what) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("vector layout: field '{}': {}", field.name, what));
  };
  if (field.name.empty()) return refuse("a field needs a name");
  if (field.elements == 0) return refuse("a field needs at least one element");
  if (field.elements > VectorLayout::kMaxWords)
    return refuse(fmt::format("expected at most 2^31 elements, found {}", field.elements));
  switch (field.kind) {
    case FieldKind::kCount:
      if (field.limbs < 1 || field.limbs > 4)
        return refuse(fmt::format("expected 1 to 4 limbs, found {}", field.limbs));
      return {};
    case FieldKind::kFixedPoint:
      if (!std::isfinite(field.bound) || field.bound <= 0.0) return refuse("the bound must be finite and > 0");
      if (!std::isfinite(field.scale) || field.scale <= 0.0) return refuse("the scale must be finite and > 0");
      if (field.scale * field.bound > kRing) return refuse("scale x bound exceeds 2^30");
      return {};
  }
  return refuse("unknown kind of field");
}

}  // namespace

Result<VectorLayout> VectorLayout::create(std::vector<Field> fields) {
  std::unordered_set<std::string_view> names;
  std::uint64_t words = 0;
  for (Field& field : fields) {
    CONSILIUM_TRY(check(field));
    if (!names.insert(field.name).second) {
      return fail(ErrorCode::kInvalidArgument, fmt::format("vector layout: field '{}' is listed twice", field.name));
    }
    field.offset = words;
    words += field.words();  // at most 2^33 for each field, and the sum so far is at most kMaxWords
    if (words > kMaxWords) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("vector layout: more than 2^31 words at field '{}'", field.name));
    }
  }
  if (fields.empty()) return fail(ErrorCode::kInvalidArgument, "vector layout: no fields");
  VectorLayout layout;
  layout.fields_ = std::move(fields);
  layout.word_count_ = words;
  return layout;
}

const Field* VectorLayout::find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

Field fixed_point_field(std::string name, std::uint64_t elements, double bound) {
  Field field;
  field.name = std::move(name);
  field.kind = FieldKind::kFixedPoint;
  field.elements = elements;
  field.bound = bound;
  field.scale = std::floor(kRing / bound);
  return field;
}

Field count_field(std::string name, std::uint64_t elements, std::uint64_t max_value) {
  Field field;
  field.name = std::move(name);
  field.kind = FieldKind::kCount;
  field.elements = elements;
  const auto bits = static_cast<std::uint32_t>(std::bit_width(max_value));
  field.limbs = bits == 0 ? 1 : (bits + 15) / 16;
  return field;
}

Result<VectorLayout> train_layout(const ParameterManifest& manifest, double clip, double buffer_clip, Extras extras) {
  std::vector<Field> fields;
  for (const TensorRun& run : manifest.update_runs()) {
    const double bound = run.role == TensorRole::kBuffer ? buffer_clip : clip;
    fields.push_back(fixed_point_field(fmt::format("{}{}", kParametersPrefix, fields.size()), run.size, bound));
  }
  fields.push_back(fixed_point_field(std::string(kLoss), 1, kMaxTrainLoss));
  fields.push_back(count_field(std::string(kClipped), 1, ParameterManifest::kMaxParameters));
  if (extras.examples) fields.push_back(count_field(std::string(kExamples), 1, kMaxSiteExamples));
  if (extras.unusable) fields.push_back(count_field(std::string(kUnusable), 1, 1));
  return VectorLayout::create(std::move(fields));
}

Result<std::vector<Field>> parameter_fields(const VectorLayout& layout, const ParameterManifest& manifest) {
  std::vector<Field> found;
  for (const Field& field : layout.fields()) {
    if (field.name.starts_with(kParametersPrefix)) found.push_back(field);
  }
  const auto fits = [](const Field& field, const TensorRun& run) {
    return field.kind == FieldKind::kFixedPoint && field.elements == run.size;
  };
  if (std::ranges::equal(found, manifest.update_runs(), fits)) return found;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("round order: its layout has {} fields of parameters; expected those of the model's update, "
                          "{} fields with {} parameters",
                          found.size(), manifest.update_runs().size(), manifest.update_size()));
}

}  // namespace consilium::encoding
