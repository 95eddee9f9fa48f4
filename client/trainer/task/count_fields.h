#pragma once

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/error/error.h"
#include "common/task/task.h"

namespace consilium::trainer {

/// A task's counts while they are being filled, divided into the task's fields. They start at zero.
class CountFields {
 public:
  CountFields(const task::Task& task, std::span<std::uint64_t> counts) : task_(task), counts_(counts) {
    std::fill(counts_.begin(), counts_.end(), std::uint64_t{0});
  }

  /// Returns a field's counts; empty if the task has no field with that name.
  [[nodiscard]] std::span<std::uint64_t> of(std::string_view name) const {
    std::size_t first = 0;
    for (const auto& field : task_.evaluation_fields()) {
      if (field.name == name) return counts_.subspan(first, field.elements);
      first += field.elements;
    }
    return {};
  }

 private:
  const task::Task& task_;
  std::span<std::uint64_t> counts_;
};

/// The largest sum of real numbers that a field holds; in units of 1 / task::kUnit it fits 63 bits.
inline constexpr double kMostSum = 0x1p42;

/// Converts a sum of real numbers to units of 1 / task::kUnit, rounded. A sum above kMostSum counts as kMostSum, and
/// one below 0 counts as 0.
[[nodiscard]] inline std::uint64_t in_units(double sum) {
  return static_cast<std::uint64_t>(std::llround(std::clamp(sum, 0.0, kMostSum) * task::kUnit));
}

/// Writes the total loss of all examples. A sum that the field can't hold is rejected rather than clipped, because a
/// clipped one would be reported as a loss that no site had.
[[nodiscard]] inline Result<void> put_loss(double sum, std::span<std::uint64_t> field) {
  if (!(sum <= kMostSum)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("evaluation: the losses of the examples add up to {:.3g}, but at most {:.3g} can be "
                            "counted; this site's values may have another scale than the job expects (data.normalize)",
                            sum, kMostSum));
  }
  field[0] = in_units(sum);
  return {};
}

}  // namespace consilium::trainer
