#include "common/report/line_chart.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string_view>

#include "common/report/markup.h"

namespace consilium::report {
namespace {

// Okabe and Ito's palette, which colour-blind readers can distinguish on screen and in print.
constexpr std::array<std::string_view, 6> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"};
constexpr double kPanelWidth = 460, kPanelHeight = 300, kTop = 96, kLeft = 58, kGap = 74, kRight = 26, kBottom = 58;
constexpr double kTopWithoutTitle = 32;
constexpr double kLegendRow = 18;

struct Range {
  double low = 0, high = 1;
};

Range grow(Range range, double value, bool first) {
  if (first) return {value, value};
  return {std::min(range.low, value), std::max(range.high, value)};
}

bool finite(const std::pair<double, double>& point) {
  return std::isfinite(point.first) && std::isfinite(point.second);
}

Range x_range(const Chart& chart) {
  Range range;
  bool first = true;
  for (const Panel& panel : chart.panels) {
    for (const Series& series : panel.series) {
      for (const auto& point : series.points) {
        if (!finite(point)) continue;
        range = grow(range, point.first, first);
        first = false;
      }
    }
  }
  if (range.low == range.high) range = {range.low - 1, range.high + 1};
  return range;
}

Range y_range(const Panel& panel) {
  Range range;
  bool first = true;
  for (const Series& series : panel.series) {
    for (const auto& point : series.points) {
      if (!finite(point)) continue;
      range = grow(range, point.second, first);
      first = false;
    }
  }
  for (const Level& level : panel.levels) {
    if (!std::isfinite(level.y)) continue;
    range = grow(range, level.y, first);
    first = false;
  }
  double margin = (range.high - range.low) * 0.06;
  if (margin <= 0) margin = std::max(0.05, std::abs(range.high) * 0.05);
  return {range.low - margin, range.high + margin};
}

/// Returns the step of 1, 2 or 5 times a power of ten that gives about `count` ticks.
double tick_step(Range range, int count) {
  const double raw = (range.high - range.low) / count;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw * 0.999) return factor * power;
  }
  return 10.0 * power;
}

struct Plot {
  double left, top;
  Range x, y;
  [[nodiscard]] double px(double value) const { return left + (value - x.low) / (x.high - x.low) * kPanelWidth; }
  [[nodiscard]] double py(double value) const {
    return top + kPanelHeight - (value - y.low) / (y.high - y.low) * kPanelHeight;
  }
};

template <class... Arguments>
void add(std::string& out, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Arguments>(arguments)...);
  out += '\n';
}

void draw_axes(std::string& out, const Plot& plot, const Chart& chart) {
  const double y_step = tick_step(plot.y, 5);
  const int decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(y_step) - 1e-9)));
  for (double k = std::ceil(plot.y.low / y_step); k * y_step <= plot.y.high; ++k) {
    const double value = k * y_step;
    add(out, R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="rule"/>)", plot.left, plot.py(value),
        plot.left + kPanelWidth, plot.py(value));
    add(out, R"(<text x="{:.1f}" y="{:.1f}" text-anchor="end" class="tick">{:.{}f}</text>)", plot.left - 8,
        plot.py(value) + 4, value, decimals);
  }
  const double x_step = std::max(1.0, tick_step(plot.x, 8));
  for (double k = std::ceil(plot.x.low / x_step); k * x_step <= plot.x.high; ++k) {
    const double value = k * x_step;
    add(out, R"(<text x="{:.1f}" y="{:.1f}" text-anchor="middle" class="tick">{:.0f}</text>)", plot.px(value),
        plot.top + kPanelHeight + 18, value);
  }
  add(out, R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="axis"/>)", plot.left,
      plot.top + kPanelHeight, plot.left + kPanelWidth, plot.top + kPanelHeight);
  add(out, R"(<text x="{:.1f}" y="{:.1f}" text-anchor="middle" class="label">{}</text>)", plot.left + kPanelWidth / 2,
      plot.top + kPanelHeight + 40, escape_markup(chart.x_label));
}

void draw_series(std::string& out, const Plot& plot, const Series& series, std::string_view colour) {
  std::string path;
  std::size_t drawn = 0;
  for (const auto& point : series.points) {
    if (!finite(point)) continue;
    fmt::format_to(std::back_inserter(path), "{}{:.1f} {:.1f}", drawn == 0 ? "M" : " L", plot.px(point.first),
                   plot.py(point.second));
    ++drawn;
  }
  if (drawn == 0) return;
  add(out, R"(<path d="{}" fill="none" stroke="{}" stroke-width="2" stroke-linejoin="round" stroke-linecap="round"/>)",
      path, colour);
  if (drawn > 30) return;
  for (const auto& point : series.points) {
    if (finite(point))
      add(out, R"(<circle cx="{:.1f}" cy="{:.1f}" r="2.6" fill="{}"/>)", plot.px(point.first), plot.py(point.second),
          colour);
  }
}

double legend_rows(const Chart& chart) {
  std::size_t rows = 0;
  for (const Panel& panel : chart.panels) rows = std::max(rows, panel.series.size() + panel.levels.size());
  return static_cast<double>(rows) * kLegendRow;
}

void draw_legend(std::string& out, const Plot& plot, const Panel& panel) {
  double y = plot.top + kPanelHeight + 68;
  const auto row = [&](std::string_view name, std::string_view colour, bool dashed) {
    add(out, R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="{}" stroke-width="2.5"{}/>)", plot.left,
        y - 4, plot.left + 26, y - 4, colour, dashed ? R"( stroke-dasharray="5 4")" : "");
    add(out, R"(<text x="{:.1f}" y="{:.1f}" class="legend">{}</text>)", plot.left + 34, y, escape_markup(name));
    y += kLegendRow;
  };
  for (std::size_t i = 0; i < panel.series.size(); ++i) row(panel.series[i].name, kColours[i % kColours.size()], false);
  for (std::size_t i = 0; i < panel.levels.size(); ++i)
    row(panel.levels[i].name, kColours[(panel.series.size() + i) % kColours.size()], true);
}

void draw_panel(std::string& out, const Plot& plot, const Panel& panel, const Chart& chart) {
  add(out, R"(<text x="{:.1f}" y="{:.1f}" class="panel">{}</text>)", plot.left, plot.top - 12,
      escape_markup(panel.title));
  draw_axes(out, plot, chart);
  for (std::size_t i = 0; i < panel.levels.size(); ++i) {
    if (!std::isfinite(panel.levels[i].y)) continue;
    add(out,
        R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="{}" stroke-width="1.5" stroke-dasharray="5 4"/>)",
        plot.left, plot.py(panel.levels[i].y), plot.left + kPanelWidth, plot.py(panel.levels[i].y),
        kColours[(panel.series.size() + i) % kColours.size()]);
  }
  for (std::size_t i = 0; i < panel.series.size(); ++i)
    draw_series(out, plot, panel.series[i], kColours[i % kColours.size()]);
}

}  // namespace

namespace {

/// Colours follow the reader's light or dark scheme on a screen, and are always light in print. Every rule is limited
/// to svg.chart, because a style element within a page applies to the whole page.
constexpr std::string_view kStyle =
    "<style>svg.chart{--ink:#2b3036;--soft:#6b727b;--rule:#e6e8eb;--axis:#8a9099;--paper:#ffffff}"
    "@media screen and "
    "(prefers-color-scheme:dark){svg.chart{--ink:#e4e7eb;--soft:#a3abb5;--rule:#32383f;--axis:#727a84;"
    "--paper:#181b1f}}"
    "svg.chart text{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:var(--ink)}"
    "svg.chart .title{font-size:18px;font-weight:600}svg.chart .panel{font-size:14px;font-weight:600}"
    "svg.chart .subtitle,svg.chart .label{font-size:12px;fill:var(--soft)}svg.chart "
    ".tick{font-size:11px;fill:var(--soft)}"
    "svg.chart .legend{font-size:12px}svg.chart .paper{fill:var(--paper)}svg.chart .rule{stroke:var(--rule)}"
    "svg.chart .axis{stroke:var(--axis)}</style>\n";

}  // namespace

std::string svg_element(const Chart& chart) {
  const auto panels = static_cast<double>(std::max<std::size_t>(1, chart.panels.size()));
  const double top = chart.title.empty() && chart.subtitle.empty() ? kTopWithoutTitle : kTop;
  const double width = kLeft + panels * kPanelWidth + (panels - 1) * kGap + kRight;
  const double height = top + kPanelHeight + kBottom + legend_rows(chart) + 8;
  std::string out;
  add(out,
      R"(<svg xmlns="http://www.w3.org/2000/svg" class="chart" width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}">)",
      width, height);
  out += kStyle;
  add(out, R"(<rect width="{:.0f}" height="{:.0f}" class="paper"/>)", width, height);
  add(out, R"(<text x="{:.0f}" y="30" class="title">{}</text>)", kLeft, escape_markup(chart.title));
  add(out, R"(<text x="{:.0f}" y="48" class="subtitle">{}</text>)", kLeft, escape_markup(chart.subtitle));
  const Range x = x_range(chart);
  for (std::size_t i = 0; i < chart.panels.size(); ++i) {
    const Plot plot{kLeft + static_cast<double>(i) * (kPanelWidth + kGap), top, x, y_range(chart.panels[i])};
    draw_panel(out, plot, chart.panels[i], chart);
    draw_legend(out, plot, chart.panels[i]);
  }
  out += "</svg>\n";
  return out;
}

std::string render_svg(const Chart& chart) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + svg_element(chart);
}

}  // namespace consilium::report
