#pragma once

#include <chrono>
#include <string>

#include "client/trainer/protocol/messages.h"

namespace consilium::trainer {

/// A line on standard error that redraws itself with steps, speed and time left; silent where that is no terminal.
class ProgressLine {
 public:
  /// @param what  e.g. "training"   @param examples  that all steps together see
  ProgressLine(std::string what, double examples);
  ~ProgressLine();  ///< wipes the line
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

/// "12 s", "3 min 05 s", "1 h 07 min".
[[nodiscard]] std::string duration_text(double seconds);

}  // namespace consilium::trainer
