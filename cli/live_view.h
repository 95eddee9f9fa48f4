#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "common/report/job_status.h"

namespace consilium::cli {

/// What a view may use of where it is shown.
struct Screen {
  int width = 80;
  int height = 24;
  bool terminal = false;  ///< redraw in place; otherwise only lines are added
  bool colour = false;
};
/// Asks the terminal behind a stream; honours NO_COLOR and TERM=dumb.
[[nodiscard]] Screen screen_of(std::FILE* stream);

/// Draws a job as the lines of a table, at most `screen.height - 1` of them, none wider than `screen.width`. What peers
/// wrote (names, reasons) is stripped of control characters.
/// @param split what evaluations are made on ("val"), for the headings; empty where unknown
[[nodiscard]] std::vector<std::string> table_lines(const report::JobStatus& status, const std::string& split,
                                                   const Screen& screen);

/// Tells what changed between two snapshots of a job in plain lines: phases, for whom a round waits, each finished
/// round, each site that failed in it or in its evaluation.
/// @param before the snapshot that was told already; a default-constructed one at the beginning
[[nodiscard]] std::vector<std::string> news_lines(const report::JobStatus& before, const report::JobStatus& now,
                                                  const std::string& split);

/// The same news as JSON, one object a line: {"event": "phase" | "round" | "end", ...}.
[[nodiscard]] std::vector<std::string> news_json(const report::JobStatus& before, const report::JobStatus& now,
                                                 const std::string& split);

/// How a view tells what happens.
enum class ViewMode { kLive, kJson, kQuiet };

/// Shows a job while it runs: a table that redraws on a terminal, plain lines otherwise, JSON lines where asked for.
/// Called by one thread. What it holds back for a second, a thread of its own tells later.
class LiveView {
 public:
  /// @param stream outlives the view
  LiveView(std::FILE* stream, std::string split, ViewMode mode);
  LiveView(std::FILE* stream, std::string split, ViewMode mode, Screen screen);
  /// Shows a snapshot.
  void update(const report::JobStatus& status);
  /// Leaves the table as it is and goes on below it.
  void leave();

 private:
  void redraw(const report::JobStatus& status);
  void tell(const report::JobStatus& status);
  void tell_later(const std::stop_token& stop);

  std::FILE* stream_;
  std::string split_;
  ViewMode mode_;
  Screen screen_;
  std::chrono::steady_clock::time_point told_{};  ///< when the last line of news was written
  report::JobStatus shown_;
  std::size_t drawn_lines_ = 0;
  std::optional<report::JobStatus> held_;  ///< a snapshot that came too soon after the last line
  std::mutex mutex_;                       ///< guards all above
  std::condition_variable_any changed_;
  std::jthread later_;
};

/// Phase and detail in words, neither twice: "finished", "failed: quorum missed", "recruiting: waiting for 3 sites".
[[nodiscard]] std::string state_in_words(const report::JobStatus& status);

/// "accuracy 0.861  AUC 0.925": the first two metrics beside the loss.
[[nodiscard]] std::string headlines_text(const task::Metrics& metrics);

/// "53.2 MB"; "1:04:05"; one loss, metric or "-" where there is none: as tables show them.
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);
[[nodiscard]] std::string format_duration(double seconds);
/// Strips control characters (a hospital's failure text must not steer the researcher's terminal) and broken UTF-8.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace consilium::cli
