#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "cli/live_view.h"
#include "cli/view_text.h"

namespace consilium::cli {
namespace {

using report::JobPhase;
using report::JobStatus;
using report::RoundRecord;

enum class Style { kNormal, kBold, kDim, kGood, kBad };
struct Span {
  std::string text;
  Style style = Style::kNormal;
};
using Line = std::vector<Span>;

std::string_view code_of(Style style) {
  switch (style) {
    case Style::kNormal:
      return "";
    case Style::kBold:
      return "\x1b[1m";
    case Style::kDim:
      return "\x1b[2m";
    case Style::kGood:
      return "\x1b[32m";
    case Style::kBad:
      return "\x1b[31m";
  }
  return "";
}

std::string render(const Line& line, const Screen& screen) {
  std::string out;
  int left = screen.width;
  for (const Span& span : line) {
    const std::string text = fit(span.text, left);
    left -= columns(text);
    const std::string_view code = screen.colour ? code_of(span.style) : std::string_view();
    out += code;
    out += text;
    if (!code.empty()) out += "\x1b[0m";
  }
  return out;
}

/// Breaks text between words into at most `most` lines of `width` columns. The lines after the first are indented. A
/// word that is wider than a line is broken, and the last line ends with an ellipsis if the text goes on.
std::vector<std::string> wrap(const std::string& text, int width, std::size_t most) {
  constexpr int kIndent = 2;
  std::vector<std::string> lines;
  std::string_view rest = text;
  while (!rest.empty() && lines.size() < most) {
    const std::string indent(lines.empty() || width <= 2 * kIndent ? 0 : kIndent, ' ');
    const int room = std::max(1, width - static_cast<int>(indent.size()));
    if (lines.size() + 1 == most || columns(rest) <= room) {
      lines.push_back(indent + fit(std::string(rest), room));
      break;
    }
    std::size_t end = bytes_of(rest, room);
    const std::size_t space = rest.rfind(' ', end);
    if (space != std::string_view::npos && space > 0) end = space;
    lines.push_back(indent + std::string(rest.substr(0, end)));
    rest.remove_prefix(std::min(rest.find_first_not_of(' ', end), rest.size()));
  }
  return lines;
}

Style style_of(JobPhase phase) {
  if (phase == JobPhase::kFinished) return Style::kGood;
  return phase == JobPhase::kFailed ? Style::kBad : Style::kBold;
}

Line title_line(const JobStatus& status) {
  Line line = {{printable(status.job_id.empty() ? status.name : status.job_id), Style::kBold},
               {"   "},
               {std::string(name_of(status.phase)), style_of(status.phase)},
               {fmt::format("   round {} of {}", status.round, status.rounds)}};
  if (status.examples > 0) line.push_back({fmt::format("   {} examples", status.examples)});
  if (status.eta_seconds && !over(status.phase)) line.push_back({"   ETA " + format_duration(*status.eta_seconds)});
  return line;
}

Line bar_line(const JobStatus& status, const Screen& screen) {
  const int room = std::clamp(screen.width - 8, 10, 72);
  const double share =
      status.rounds > 0 ? std::min(1.0, static_cast<double>(status.history.size()) / status.rounds) : 0.0;
  const int full = static_cast<int>(std::floor(share * room));
  std::string done;
  std::string rest;
  for (int i = 0; i < room; ++i) (i < full ? done : rest) += i < full ? "━" : "─";
  return {{done, Style::kGood}, {rest, Style::kDim}, {fmt::format(" {:3.0f} %", share * 100)}};
}

/// Returns the names of the first two metrics besides the loss, for the column headings; empty before the first
/// evaluation.
std::array<std::string, 2> metric_columns(const JobStatus& status) {
  std::array<std::string, 2> names;
  for (const RoundRecord& record : status.history) {
    if (!record.metrics) continue;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (const task::Metric* metric = task::headline(*record.metrics, i)) names[i] = metric->name;
    }
    break;
  }
  return names;
}

Line round_line(const RoundRecord& record, const std::array<std::string, 2>& names) {
  Line line = {{fmt::format("{:>5} {:>9} {:>11} {:>11} {:>10} {:>8} {:>10} {:>9}", record.round,
                            fmt::format("{}/{}", record.contributed.size(), record.cohort.size()),
                            number(record.train_loss, 4), metric_text(record, task::kLossMetric, 4),
                            metric_text(record, names[0], 3), metric_text(record, names[1], 3),
                            format_bytes(record.bytes), format_duration(record.seconds + record.evaluation_seconds))}};
  if (!record.partial.empty()) line.push_back({fmt::format("  {} partial", record.partial.size()), Style::kDim});
  return line;
}

/// Returns what the sites are doing, with several sites on a line. Sites that take no part are left out.
std::vector<Line> site_lines(const JobStatus& status, const Screen& screen, std::size_t most) {
  std::vector<Line> lines;
  Line line;
  int used = 0;
  const auto absent = absent_sites(status);
  for (const auto& [site, activity] : status.sites) {
    if (absent.contains(site)) continue;
    const std::string name = " " + printable(site) + " ";
    const std::string what = printable(activity) + "  ";
    const int size = columns(name) + columns(what);
    if (used > 0 && used + size > screen.width) {
      lines.push_back(std::exchange(line, {}));
      used = 0;
      if (lines.size() == most) break;
    }
    line.push_back({name});
    line.push_back({what, activity.find("failed") != std::string::npos ? Style::kBad : Style::kDim});
    used += size;
  }
  if (!line.empty() && lines.size() < most) lines.push_back(line);
  return lines;
}

/// Returns, in at most `most` lines, the sites that take no part and those that were left out of rounds, each with the
/// reason, the newest round first. If they don't fit, a last line refers to the report.
std::vector<Line> reason_lines(const JobStatus& status, const Screen& screen, std::size_t most) {
  std::vector<std::string> reasons;
  for (const auto& [site, state] : absent_sites(status)) reasons.push_back(printable(site) + " " + printable(state));
  for (std::size_t i = status.history.size(); i > 0 && reasons.size() <= most; --i) {
    const RoundRecord& record = status.history[i - 1];
    const std::string round = fmt::format("round {}: ", record.round);
    for (const auto& [site, reason] : record.failed) reasons.push_back(round + failure_text(site, reason));
    for (const auto& [site, reason] : record.evaluation_failed)
      reasons.push_back(round + not_evaluated_text(site, reason));
  }
  std::vector<Line> lines;
  for (const std::string& reason : reasons) {
    const auto wrapped = wrap(reason, screen.width, std::max<std::size_t>(most, 1));
    if (!lines.empty() && lines.size() + wrapped.size() > most) {
      lines.push_back(
          {{fmt::format("and more; consilium report {} shows all", printable(status.job_id)), Style::kDim}});
      break;
    }
    for (const std::string& text : wrapped) lines.push_back({{text, Style::kBad}});
  }
  return lines;
}

void append(std::vector<Line>& lines, std::vector<Line> more) { std::ranges::move(more, std::back_inserter(lines)); }

}  // namespace

std::vector<std::string> table_lines(const JobStatus& status, const std::string& split, const Screen& screen) {
  const auto names = metric_columns(status);
  const auto height = static_cast<std::size_t>(std::max(8, screen.height));
  const bool ended = over(status.phase);
  std::vector<Line> head = {
      title_line(status), bar_line(status, screen), {{masks_text(status), status.masked ? Style::kDim : Style::kBold}}};
  if (!status.detail.empty() && status.detail != name_of(status.phase)) {
    const Style style = status.phase == JobPhase::kFailed ? Style::kBad : Style::kDim;
    for (const std::string& text : wrap(printable(status.detail), screen.width, height / (ended ? 3 : 4)))
      head.push_back({{text, style}});
  }
  head.push_back(
      {{fmt::format("{:>5} {:>9} {:>11} {:>11} {:>10} {:>8} {:>10} {:>9}", "round", "sites", "train loss",
                    loss_label(split), task::heading_of(names[0]), task::heading_of(names[1]), "bytes", "time"),
        Style::kDim}});
  // Below the rounds stand the reasons, and while the job runs what its sites are doing.
  std::vector<Line> below = reason_lines(status, screen, height / 4);
  if (!ended) append(below, site_lines(status, screen, height > 16 ? 4 : 1));
  const std::size_t room = height - 1 - std::min(head.size(), height - 2);
  if (below.size() + 1 > room) below.resize(room - 1);
  const std::size_t rows = std::min(status.history.size(), room - below.size());
  std::vector<Line> lines = std::move(head);
  for (std::size_t i = status.history.size() - rows; i < status.history.size(); ++i)
    lines.push_back(round_line(status.history[i], names));
  append(lines, std::move(below));
  std::vector<std::string> out;
  for (const Line& line : lines) out.push_back(render(line, screen));
  return out;
}

}  // namespace consilium::cli
