#pragma once

#include <chrono>
#include <string>

#include "client/trainer/protocol/messages.h"

namespace consilium::trainer {

/// A line on standard error that redraws itself with the steps, the speed and the time left. Writes nothing if standard
/// error isn't a terminal.
class ProgressLine {
 public:
  /// @param what      e.g. "training"
  /// @param examples  number of examples that all steps process together
  ProgressLine(std::string what, double examples);
  ~ProgressLine();  ///< erases the line
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(const Progress& progress);

 private:
  std::string what_;
  double examples_;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point latest_;
};

/// Returns a duration such as "12 s", "3 min 05 s" or "1 h 07 min".
[[nodiscard]] std::string duration_text(double seconds);

}  // namespace consilium::trainer
