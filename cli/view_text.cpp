#include "cli/view_text.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>

#include "cli/live_view.h"

namespace consilium::cli {

using report::JobPhase;
using report::JobStatus;
using report::RoundRecord;

namespace {

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

}  // namespace

int columns(std::string_view text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) { return !continues_character(c); }));
}

std::size_t bytes_of(std::string_view text, int width) {
  std::size_t end = 0;
  for (int column = 0; column < width && end < text.size(); ++column) {
    do ++end;
    while (end < text.size() && continues_character(text[end]));
  }
  return end;
}

std::string fit(const std::string& text, int width) {
  if (columns(text) <= width) return text;
  return width > 0 ? text.substr(0, bytes_of(text, width - 1)) + "…" : std::string();
}

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c < 0x7f) {
      out += text[i];
      continue;
    }
    // Complete UTF-8 sequences are kept, except the C1 controls U+0080 to U+009F.
    const std::size_t length = c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 1;
    const std::string_view sequence = text.substr(i, length);
    const bool whole = length > 1 && sequence.size() == length &&
                       std::all_of(sequence.begin() + 1, sequence.end(), continues_character);
    if (!whole || (c == 0xc2 && static_cast<unsigned char>(sequence[1]) < 0xa0)) {
      out += c == '\n' || c == '\t' ? ' ' : '?';
      continue;
    }
    out += sequence;
    i += length - 1;
  }
  return out;
}

bool over(JobPhase phase) {
  return phase == JobPhase::kFinished || phase == JobPhase::kStopped || phase == JobPhase::kFailed;
}

std::string masks_text(const JobStatus& status) {
  return status.masked ? "secure aggregation is on"
                       : "secure aggregation is off: the coordinator sees each site's update";
}

std::string loss_label(const std::string& split) { return split.empty() ? "loss" : split + " loss"; }

std::string number(const std::optional<double>& value, int decimals) {
  return value && std::isfinite(*value) ? fmt::format("{:.{}f}", *value, decimals) : "-";
}

std::string metric_text(const RoundRecord& record, std::string_view name, int decimals) {
  const task::Metric* metric = record.metrics ? record.metrics->find(name) : nullptr;
  return number(metric == nullptr ? std::nullopt : std::optional(metric->value), decimals);
}

std::string failure_text(const std::string& site, const std::string& reason) {
  return printable(site) + ": " + printable(reason);
}

std::string not_evaluated_text(const std::string& site, const std::string& reason) {
  return printable(site) + " is not in the evaluation: " + printable(reason);
}

std::map<std::string, std::string> absent_sites(const JobStatus& status) {
  std::map<std::string, std::string> absent;
  for (const auto& [site, state] : status.sites) {
    if (state.starts_with("declined: ") || state.starts_with("census failed: ")) absent.emplace(site, state);
  }
  return absent;
}

std::string format_bytes(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes < 1000) return fmt::format("{} B", bytes);
  if (value < 999.5e3) return fmt::format("{:.1f} kB", value / 1e3);
  if (value < 999.5e6) return fmt::format("{:.1f} MB", value / 1e6);
  return fmt::format("{:.2f} GB", value / 1e9);
}

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "-";
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<long long>(std::llround(std::min(seconds, 1e9)));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace consilium::cli
