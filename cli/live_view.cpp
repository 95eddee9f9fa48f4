#include "cli/live_view.h"

#include <spdlog/fmt/fmt.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/report/report_files.h"

namespace consilium::cli {
namespace {

/// The pause between two lines that report only what a job waits for.
constexpr std::chrono::seconds kPause{1};

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

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

int columns(std::string_view text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); }));
}

/// Shortens the text to `width` columns, and ends it with an ellipsis if anything was cut.
std::string fit(const std::string& text, int width) {
  if (columns(text) <= width) return text;
  std::size_t end = 0;
  for (int column = 0; column < width - 1 && end < text.size(); ++column) {
    do ++end;
    while (end < text.size() && continues(text[end]));
  }
  return width > 0 ? text.substr(0, end) + "…" : std::string();
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

std::string number(const std::optional<double>& value, int decimals) {
  return value && std::isfinite(*value) ? fmt::format("{:.{}f}", *value, decimals) : "-";
}

bool over(JobPhase phase) {
  return phase == JobPhase::kFinished || phase == JobPhase::kStopped || phase == JobPhase::kFailed;
}

std::string loss_label(const std::string& split) { return split.empty() ? "loss" : split + " loss"; }

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

std::string masks_text(const JobStatus& status) {
  return status.masked ? "secure aggregation is on"
                       : "secure aggregation is off: the coordinator sees each site's update";
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

std::string failure_text(const std::string& site, const std::string& reason) {
  return printable(site) + ": " + printable(reason);
}
std::string not_evaluated_text(const std::string& site, const std::string& reason) {
  return printable(site) + " is not in the evaluation: " + printable(reason);
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

std::string metric_text(const RoundRecord& record, std::string_view name, int digits) {
  const task::Metric* metric = record.metrics ? record.metrics->find(name) : nullptr;
  return number(metric == nullptr ? std::nullopt : std::optional(metric->value), digits);
}

Line round_line(const RoundRecord& record, const std::array<std::string, 2>& names) {
  Line line = {{fmt::format("{:>6} {:>9} {:>12} {:>11} {:>10} {:>8} {:>10} {:>9}", record.round,
                            fmt::format("{}/{}", record.contributed.size(), record.cohort.size()),
                            number(record.train_loss, 4), metric_text(record, task::kLossMetric, 4),
                            metric_text(record, names[0], 3), metric_text(record, names[1], 3),
                            format_bytes(record.bytes), format_duration(record.seconds + record.evaluation_seconds))}};
  for (const auto& [site, reason] : record.failed) line.push_back({"  " + failure_text(site, reason), Style::kBad});
  for (const auto& [site, reason] : record.evaluation_failed)
    line.push_back({"  " + not_evaluated_text(site, reason), Style::kBad});
  if (!record.partial.empty()) line.push_back({fmt::format("  {} partial", record.partial.size()), Style::kDim});
  return line;
}

/// Returns what each site is doing, with several sites on a line.
std::vector<Line> site_lines(const std::map<std::string, std::string>& sites, const Screen& screen, std::size_t most) {
  std::vector<Line> lines;
  Line line;
  int used = 0;
  for (const auto& [site, activity] : sites) {
    const std::string name = " " + printable(site) + " ";
    const std::string what = printable(activity) + "  ";
    const int size = columns(name) + columns(what);
    if (used > 0 && used + size > screen.width) {
      lines.push_back(std::exchange(line, {}));
      used = 0;
      if (lines.size() == most) break;
    }
    line.push_back({name});
    line.push_back({what, activity.find("failed") != std::string::npos || activity.find("declined") != std::string::npos
                              ? Style::kBad
                              : Style::kDim});
    used += size;
  }
  if (!line.empty() && lines.size() < most) lines.push_back(line);
  return lines;
}

std::string round_text(const RoundRecord& record, const JobStatus& status, const std::string& split) {
  std::string text = fmt::format("round {}/{}  sites {}/{}  train loss {}", record.round, status.rounds,
                                 record.contributed.size(), record.cohort.size(), number(record.train_loss, 4));
  if (record.metrics) {
    text += fmt::format("  {} {}  {}", loss_label(split), metric_text(record, task::kLossMetric, 4),
                        headlines_text(*record.metrics));
  }
  text +=
      fmt::format("  {}  {}", format_bytes(record.bytes), format_duration(record.seconds + record.evaluation_seconds));
  if (!record.partial.empty()) text += fmt::format("  {} partial", record.partial.size());
  if (status.eta_seconds && !over(status.phase)) text += "  ETA " + format_duration(*status.eta_seconds);
  return text;
}

}  // namespace

Screen screen_of(std::FILE* stream) {
  Screen screen;
  const int descriptor = fileno(stream);
  const char* term = std::getenv("TERM");
  screen.terminal = isatty(descriptor) == 1 && term != nullptr && std::string_view(term) != "dumb";
  const char* no_colour = std::getenv("NO_COLOR");
  screen.colour = screen.terminal && (no_colour == nullptr || *no_colour == '\0');
  winsize size{};
  if (screen.terminal && ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
    screen.width = size.ws_col;
    screen.height = size.ws_row;
  }
  return screen;
}

std::string headlines_text(const task::Metrics& metrics) {
  std::string text;
  for (std::size_t i = 0; i < 2; ++i) {
    const task::Metric* metric = task::headline(metrics, i);
    if (metric == nullptr) break;
    text += fmt::format("{}{} {:.3f}", i == 0 ? "" : "  ", task::heading_of(metric->name), metric->value);
  }
  return text;
}

std::string state_in_words(const JobStatus& status) {
  const std::string phase(name_of(status.phase));
  const std::string detail = printable(status.detail);
  if (detail.empty() || detail.starts_with(phase)) return detail.empty() ? phase : detail;
  return phase + ": " + detail;
}

namespace {

/// Returns the sites that take no part in the job, with the reason: they declined, or their data don't fit.
std::map<std::string, std::string> absent_sites(const JobStatus& status) {
  std::map<std::string, std::string> absent;
  for (const auto& [site, state] : status.sites) {
    if (state.starts_with("declined: ") || state.starts_with("census failed: ")) absent.emplace(site, state);
  }
  return absent;
}

}  // namespace

std::vector<std::string> table_lines(const JobStatus& status, const std::string& split, const Screen& screen) {
  const auto names = metric_columns(status);
  std::vector<Line> head = {
      title_line(status), bar_line(status, screen), {{masks_text(status), status.masked ? Style::kDim : Style::kBold}}};
  if (!status.detail.empty() && status.detail != name_of(status.phase))
    head.push_back({{printable(status.detail), status.phase == JobPhase::kFailed ? Style::kBad : Style::kDim}});
  head.push_back(
      {{fmt::format("{:>6} {:>9} {:>12} {:>11} {:>10} {:>8} {:>10} {:>9}", "round", "sites", "train loss",
                    loss_label(split), task::heading_of(names[0]), task::heading_of(names[1]), "bytes", "time"),
        Style::kDim}});
  const auto room = static_cast<std::size_t>(std::max(6, screen.height - 1)) - std::min<std::size_t>(head.size(), 5);
  // After the end of a job, the sites' activity is irrelevant; only sites that took no part are listed.
  const std::vector<Line> sites =
      site_lines(over(status.phase) ? absent_sites(status) : status.sites, screen, room > 10 ? 4 : 1);
  const std::size_t rows = std::min(status.history.size(), room > sites.size() ? room - sites.size() : 0);
  std::vector<std::string> out;
  for (const Line& line : head) out.push_back(render(line, screen));
  for (std::size_t i = status.history.size() - rows; i < status.history.size(); ++i) {
    out.push_back(render(round_line(status.history[i], names), screen));
  }
  for (const Line& line : sites) out.push_back(render(line, screen));
  return out;
}

namespace {

bool newly_absent(const JobStatus& before, const JobStatus& now) { return absent_sites(before) != absent_sites(now); }

/// Returns true if the job, while it trains or evaluates, waits for other sites than before.
bool newly_awaited(const JobStatus& before, const JobStatus& now) {
  const std::string awaited = report::awaited_text(now);
  return !awaited.empty() && awaited != report::awaited_text(before);
}

}  // namespace

std::vector<std::string> news_lines(const JobStatus& before, const JobStatus& now, const std::string& split) {
  std::vector<std::string> out;
  if (before.job_id.empty()) out.push_back(fmt::format("{}: {}", printable(now.job_id), masks_text(now)));
  const bool waiting =
      now.phase == JobPhase::kQueued || now.phase == JobPhase::kRecruiting || now.phase == JobPhase::kCensus;
  const bool moved = before.job_id.empty() || before.phase != now.phase || before.detail != now.detail;
  if ((waiting && moved) || newly_awaited(before, now)) {
    out.push_back(fmt::format("{}: {}", printable(now.job_id), state_in_words(now)));
  }
  const auto known = absent_sites(before);
  for (const auto& [site, state] : absent_sites(now)) {
    const auto told = known.find(site);
    if (told == known.end() || told->second != state)
      out.push_back(fmt::format("{}: {} takes no part: {}", printable(now.job_id), printable(site), printable(state)));
  }
  for (std::size_t i = before.history.size(); i < now.history.size(); ++i) {
    out.push_back(round_text(now.history[i], now, split));
    for (const auto& [site, reason] : now.history[i].failed) {
      out.push_back(fmt::format("round {}: {}", now.history[i].round, failure_text(site, reason)));
    }
    for (const auto& [site, reason] : now.history[i].evaluation_failed) {
      out.push_back(fmt::format("round {}: {}", now.history[i].round, not_evaluated_text(site, reason)));
    }
  }
  if (over(now.phase) && before.phase != now.phase) {
    out.push_back(fmt::format("{}: {}", printable(now.job_id), state_in_words(now)));
  }
  return out;
}

std::vector<std::string> news_json(const JobStatus& before, const JobStatus& now, const std::string& split) {
  std::vector<std::string> out;
  const auto state = [&](const char* event) {
    const nlohmann::ordered_json json = {
        {"event", event},
        {"job_id", now.job_id},
        {"masked", now.masked},
        {"phase", name_of(now.phase)},
        {"round", now.round},
        {"rounds", now.rounds},
        {"detail", now.detail},
        {"sites", now.sites},
        {"eta_seconds", now.eta_seconds ? nlohmann::ordered_json(*now.eta_seconds) : nullptr}};
    out.push_back(json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  };
  if (!over(now.phase) && (before.job_id.empty() || before.phase != now.phase || before.round != now.round ||
                           newly_awaited(before, now) || newly_absent(before, now))) {
    state("phase");
  }
  for (std::size_t i = before.history.size(); i < now.history.size(); ++i) {
    out.push_back(R"({"event":"round",)" + report::round_json(now.history[i], split).substr(1));
  }
  if (over(now.phase) && before.phase != now.phase) state("end");
  return out;
}

LiveView::LiveView(std::FILE* stream, std::string split, ViewMode mode)
    : LiveView(stream, std::move(split), mode, screen_of(stream)) {}

LiveView::LiveView(std::FILE* stream, std::string split, ViewMode mode, Screen screen)
    : stream_(stream), split_(std::move(split)), mode_(mode), screen_(screen) {}

void LiveView::update(const JobStatus& status) {
  if (mode_ == ViewMode::kQuiet) return;
  const std::scoped_lock lock(mutex_);
  if (mode_ == ViewMode::kLive && screen_.terminal) {
    redraw(status);
    std::fflush(stream_);
    return;
  }
  // What a job waits for changes with each site that answers. If nothing else has changed, it is reported at most once
  // a second.
  const bool same =
      !shown_.job_id.empty() && shown_.phase == status.phase && shown_.history.size() == status.history.size();
  if (same && mode_ == ViewMode::kLive && std::chrono::steady_clock::now() < told_ + kPause) {
    held_ = status;
    if (!later_.joinable()) later_ = std::jthread([this](const std::stop_token& stop) { tell_later(stop); });
    changed_.notify_all();
    return;
  }
  tell(status);
}

void LiveView::tell(const JobStatus& status) {
  held_.reset();
  const auto news = mode_ == ViewMode::kJson ? news_json(shown_, status, split_) : news_lines(shown_, status, split_);
  for (const std::string& line : news) fmt::print(stream_, "{}\n", line);
  if (!news.empty()) told_ = std::chrono::steady_clock::now();
  std::fflush(stream_);
  shown_ = status;
}

void LiveView::tell_later(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return held_.has_value(); }) && !stop.stop_requested()) {
    if (!changed_.wait_until(lock, stop, told_ + kPause, [this] { return !held_; })) tell(JobStatus(*held_));
  }
  if (held_) tell(JobStatus(*held_));
}

void LiveView::redraw(const JobStatus& status) {
  const Screen now = screen_of(stream_);
  if (now.terminal) screen_ = now;
  // Write each frame in one call: move up over the last frame, clear each line to its end, and clear the rest of the
  // screen.
  std::string frame = drawn_lines_ > 0 ? fmt::format("\x1b[{}A\r", drawn_lines_) : std::string();
  const std::vector<std::string> lines = table_lines(status, split_, screen_);
  for (const std::string& line : lines) frame += line + "\x1b[K\n";
  frame += "\x1b[J";
  std::fwrite(frame.data(), 1, frame.size(), stream_);
  drawn_lines_ = lines.size();
}

void LiveView::leave() { drawn_lines_ = 0; }

}  // namespace consilium::cli
