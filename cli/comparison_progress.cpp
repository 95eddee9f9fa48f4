#include "cli/comparison_progress.h"

#include <spdlog/fmt/fmt.h>

namespace consilium::cli {

ComparisonProgress::ComparisonProgress(std::FILE* stream) : stream_(stream) {
  if (stream_ != nullptr) screen_ = screen_of(stream_);
}

void ComparisonProgress::operator()(std::uint64_t rounds_done, std::uint64_t rounds_total) {
  if (stream_ == nullptr || (said_ && !screen_.terminal)) return;
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
  std::string text = fmt::format("for comparison, each site alone and the pool: {} rounds", rounds_total);
  if (screen_.terminal && rounds_done > 0) {
    const double left =
        elapsed.count() * static_cast<double>(rounds_total - rounds_done) / static_cast<double>(rounds_done);
    text += fmt::format(", {} done, ETA {}", rounds_done, format_duration(left));
  }
  if (screen_.terminal) {
    fmt::print(stream_, "\r{}\x1b[K", text);
  } else {
    fmt::print(stream_, "{}\n", text);
  }
  std::fflush(stream_);
  said_ = true;
}

void ComparisonProgress::leave() {
  if (stream_ == nullptr || !said_ || !screen_.terminal) return;
  fmt::print(stream_, "\r\x1b[K");
  std::fflush(stream_);
}

}  // namespace consilium::cli
