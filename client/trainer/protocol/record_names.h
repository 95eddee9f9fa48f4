#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "common/error/error.h"
#include "common/job/job_spec.h"

/// The names of enumerators in records.
namespace consilium::trainer {

template <class Enum, std::size_t N>
using RecordNames = std::array<std::pair<Enum, std::string_view>, N>;

inline constexpr RecordNames<job::OptimizerKind, 3> kOptimizerNames{{
    {job::OptimizerKind::kSgd, "sgd"},
    {job::OptimizerKind::kAdam, "adam"},
    {job::OptimizerKind::kAdamW, "adamw"},
}};
inline constexpr RecordNames<job::Precision, 2> kPrecisionNames{{
    {job::Precision::kFloat32, "float32"},
    {job::Precision::kBfloat16, "bf16"},
}};
inline constexpr RecordNames<job::Split, 3> kSplitNames{{
    {job::Split::kTrain, "train"},
    {job::Split::kVal, "val"},
    {job::Split::kTest, "test"},
}};
/// The errors that a trainer may report. It reports any other error as kInternal.
inline constexpr RecordNames<ErrorCode, 6> kFailureNames{{
    {ErrorCode::kInvalidArgument, "invalid_argument"},
    {ErrorCode::kNotFound, "not_found"},
    {ErrorCode::kFailedPrecondition, "failed_precondition"},
    {ErrorCode::kResourceExhausted, "resource_exhausted"},
    {ErrorCode::kCancelled, "cancelled"},
    {ErrorCode::kInternal, "internal"},
}};

template <class Enum, std::size_t N>
constexpr std::optional<std::string_view> record_name(const RecordNames<Enum, N>& names, Enum value) {
  for (const auto& [known, name] : names) {
    if (known == value) return name;
  }
  return std::nullopt;
}

template <class Enum, std::size_t N>
constexpr std::optional<Enum> from_record_name(const RecordNames<Enum, N>& names, std::string_view name) {
  for (const auto& [value, known] : names) {
    if (known == name) return value;
  }
  return std::nullopt;
}

}  // namespace consilium::trainer
