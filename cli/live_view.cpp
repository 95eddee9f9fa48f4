#include "cli/live_view.h"

#include <spdlog/fmt/fmt.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/view_text.h"
#include "common/report/report_files.h"

namespace consilium::cli {
namespace {

/// The pause between two lines that report only what a job waits for.
constexpr std::chrono::seconds kPause{1};

using report::JobPhase;
using report::JobStatus;
using report::RoundRecord;

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
