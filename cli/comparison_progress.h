#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>

#include "cli/live_view.h"

namespace consilium::cli {

/// Shows the progress of the trainings to be compared in one line. On a terminal the line is redrawn; elsewhere it is
/// written once. The call operator is a progress callback for simulation::Simulator::compare().
class ComparisonProgress {
 public:
  /// @param stream  the line's destination; nullptr: nothing is written
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
