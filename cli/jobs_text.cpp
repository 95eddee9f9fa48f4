#include "cli/jobs_text.h"

#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <ctime>

#include "cli/view_text.h"

namespace consilium::cli {
namespace {

using report::JobPhase;
using report::JobStatus;

constexpr std::size_t kColumns = 8;
constexpr std::size_t kFirstNumber = 4;  // round, duration and ETA are aligned on the right
constexpr std::size_t kReason = kColumns - 1;
constexpr int kReasonRoom = 24;  // a terminal that leaves less for the reason counts as narrow
using Row = std::array<std::string, kColumns>;

std::string last_metric(const JobStatus& status) {
  for (auto record = status.history.rbegin(); record != status.history.rend(); ++record) {
    if (record->metrics) return headlines_text(*record->metrics);
  }
  return {};
}

/// Returns the reason for a job that waits or that ended before its last round, and the latest metric for any other
/// job.
std::string reason_or_metric(const JobStatus& status) {
  const bool explains = !report::awaited_text(status).empty() || status.phase == JobPhase::kQueued ||
                        status.phase == JobPhase::kRecruiting || status.phase == JobPhase::kStopped ||
                        status.phase == JobPhase::kFailed;
  const std::string last = last_metric(status);
  return explains || last.empty() ? printable(status.detail) : last;
}

std::string submitted_text(const JobStatus& status, bool narrow) {
  if (status.submitted_seconds == 0) return {};
  const std::tm time = fmt::gmtime(static_cast<std::time_t>(status.submitted_seconds));
  return narrow ? fmt::format("{:%m-%d %H:%M}", time) : fmt::format("{:%Y-%m-%d %H:%M}", time);
}

/// Returns how long a job ran, or how long it has been running; "" before it starts.
std::string duration_text(const JobStatus& status, std::uint64_t now_seconds) {
  if (status.started_seconds == 0) return {};
  const std::uint64_t end = status.ended_seconds != 0 ? status.ended_seconds : now_seconds;
  return format_duration(static_cast<double>(end - std::min(end, status.started_seconds)));
}

Row row_of(const JobStatus& status, std::uint64_t now_seconds, bool narrow) {
  return {printable(status.job_id),
          printable(status.researcher),
          submitted_text(status, narrow),
          std::string(report::name_of(status.phase)),
          fmt::format("{}/{}", status.round, status.rounds),
          duration_text(status, now_seconds),
          status.eta_seconds ? format_duration(*status.eta_seconds) : "",
          reason_or_metric(status)};
}

std::vector<Row> rows_of(const std::vector<JobStatus>& jobs, std::uint64_t now_seconds, bool narrow) {
  std::vector<Row> rows = {{"job", "owner", narrow ? "sent (UTC)" : "submitted (UTC)", "phase", "round", "duration",
                            "ETA", "reason or last evaluation"}};
  for (const JobStatus& status : jobs) rows.push_back(row_of(status, now_seconds, narrow));
  return rows;
}

/// Returns the rows as lines, with so many blanks between two columns.
std::vector<std::string> lines_of(const std::vector<Row>& rows, int gap) {
  std::array<int, kReason> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]));
  }
  std::vector<std::string> lines;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string blanks(static_cast<std::size_t>(widths[i] - columns(row[i])), ' ');
      line += i < kFirstNumber ? row[i] + blanks : blanks + row[i];
      line += std::string(static_cast<std::size_t>(gap), ' ');
    }
    line += row[kReason];
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(std::move(line));
  }
  return lines;
}

/// Returns how many columns of a line are left for the reason.
int room_for_reason(const std::vector<Row>& rows, int gap, int width) {
  std::vector<Row> marked = {rows.begin(), rows.end()};
  for (Row& row : marked) row[kReason] = "x";
  return width + 1 - columns(lines_of(marked, gap).front());
}

}  // namespace

std::vector<std::string> jobs_lines(const std::vector<JobStatus>& jobs, std::uint64_t now_seconds,
                                    const Screen& screen) {
  const std::vector<Row> rows = rows_of(jobs, now_seconds, false);
  if (!screen.terminal) return lines_of(rows, 2);
  std::vector<std::string> lines = room_for_reason(rows, 2, screen.width) < kReasonRoom
                                       ? lines_of(rows_of(jobs, now_seconds, true), 1)
                                       : lines_of(rows, 2);
  for (std::string& line : lines) line = fit(line, screen.width);
  return lines;
}

}  // namespace consilium::cli
