#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>

#include "cli/live_view.h"

namespace consilium::cli {

/// One line that says how far the trainings that are compared with have come; on a terminal it redraws, elsewhere it is
/// written once. Called as simulation::Simulator::compare() asks.
class ComparisonProgress {
 public:
  /// @param stream where to; nullptr: nowhere
  explicit ComparisonProgress(std::FILE* stream);
  void operator()(std::uint64_t rounds_done, std::uint64_t rounds_total);
  /// Clears the line.
  void leave();

 private:
  std::FILE* stream_;
  Screen screen_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  bool said_ = false;
};

}  // namespace consilium::cli
