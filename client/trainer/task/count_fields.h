#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/task/task.h"

namespace consilium::trainer {

/// A task's counts while they are being filled, cut into its fields; zeroed at the beginning.
class CountFields {
 public:
  CountFields(const task::Task& task, std::span<std::uint64_t> counts) : task_(task), counts_(counts) {
    std::fill(counts_.begin(), counts_.end(), std::uint64_t{0});
  }

  /// Returns a field's counts; empty where the task has no field of that name.
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

/// Rounds a sum of real numbers >= 0 to task::kUnit. What exceeds 2^42 is cut there, so that it fits 63 bits.
[[nodiscard]] inline std::uint64_t in_units(double sum) {
  return static_cast<std::uint64_t>(std::llround(std::clamp(sum, 0.0, 0x1p42) * task::kUnit));
}

}  // namespace consilium::trainer
