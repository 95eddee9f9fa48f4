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

/// The properties of the output that a view adapts to.
struct Screen {
  int width = 80;
  int height = 24;
  bool terminal = false;  ///< redraw in place; otherwise lines are only added
  bool colour = false;
};
/// Determines the properties of a stream's terminal. Honours NO_COLOR and TERM=dumb.
[[nodiscard]] Screen screen_of(std::FILE* stream);

/// Formats a job as the lines of a table: at most `screen.height - 1` lines, none wider than `screen.width`. Removes
/// control characters from text written by peers (names, reasons).
/// @param split  the split on which models are evaluated ("val"), for the headings; empty if unknown
[[nodiscard]] std::vector<std::string> table_lines(const report::JobStatus& status, const std::string& split,
                                                   const Screen& screen);

/// Describes the changes between two snapshots of a job in plain lines: phases, the sites that a round waits for, each
/// finished round, and each site that failed in it or in its evaluation.
/// @param before  the snapshot that has been reported already; at the beginning, a default-constructed one
[[nodiscard]] std::vector<std::string> news_lines(const report::JobStatus& before, const report::JobStatus& now,
                                                  const std::string& split);

/// Returns the same news as JSON, one object on each line: {"event": "phase" | "round" | "end", ...}.
[[nodiscard]] std::vector<std::string> news_json(const report::JobStatus& before, const report::JobStatus& now,
                                                 const std::string& split);

/// How a view reports what happens.
enum class ViewMode { kLive, kJson, kQuiet };

/// Shows a job while it runs, as a table that is redrawn on a terminal, as plain lines otherwise, or as JSON lines if
/// requested. Must be called by one thread. News that comes too soon after the last line is delayed for up to a second,
/// and a thread of the view's own then writes it.
class LiveView {
 public:
  /// @param stream  must outlive the view
  LiveView(std::FILE* stream, std::string split, ViewMode mode);
  LiveView(std::FILE* stream, std::string split, ViewMode mode, Screen screen);
  /// Shows a snapshot.
  void update(const report::JobStatus& status);
  /// Leaves the table as it is and continues below it.
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
  std::mutex mutex_;                       ///< guards all members above
  std::condition_variable_any changed_;
  std::jthread later_;
};

/// Returns the phase and the detail as text, without repetition: "finished", "failed: quorum missed", "recruiting:
/// waiting for 3 sites".
[[nodiscard]] std::string state_in_words(const report::JobStatus& status);

/// Returns the first two metrics besides the loss: "accuracy 0.861  AUC 0.925".
[[nodiscard]] std::string headlines_text(const task::Metrics& metrics);

/// Return text for tables, such as "53.2 MB" and "1:04:05".
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);
[[nodiscard]] std::string format_duration(double seconds);
/// Removes control characters and invalid UTF-8 (a hospital's failure text must not control the researcher's terminal).
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace consilium::cli
