#include "client/trainer/progress_line.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <utility>

namespace consilium::trainer {
namespace {

constexpr std::chrono::milliseconds kRedraw{200};

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<long long>(std::llround(seconds));
  if (whole < 60) {
    return fmt::format("{} s", whole);
  }
  if (whole < 3600) {
    return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  }
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

ProgressLine::ProgressLine(std::string what, double examples)
    : what_(std::move(what)),
      examples_(examples),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(std::chrono::steady_clock::now()) {}

ProgressLine::~ProgressLine() {
  if (drawn_) {
    std::fputs("\r\x1b[K", stderr);
  }
}

void ProgressLine::show(const Progress& progress) {
  const auto now = std::chrono::steady_clock::now();
  if (!terminal_ || now - latest_ < kRedraw || progress.steps_done == 0) {
    return;
  }
  latest_ = now;
  drawn_ = true;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double share = static_cast<double>(progress.steps_done) / static_cast<double>(progress.steps_total);
  fmt::print(stderr, "\r\x1b[K{}: step {} of {} ({:.0f} %), {:.0f} examples/s, {} left", what_, progress.steps_done,
             progress.steps_total, 100.0 * share, examples_ * share / seconds,
             duration_text(seconds / share - seconds));
  std::fflush(stderr);
}

}  // namespace consilium::trainer
