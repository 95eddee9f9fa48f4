#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace consilium::report {

/// One line of a panel.
struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  ///< (x, y), ascending by x; points that aren't finite are skipped
};

/// A reference value for the lines, drawn as a dashed horizontal line.
struct Level {
  std::string name;
  double y = 0.0;
};

/// One plot of a chart, with its own y axis.
struct Panel {
  std::string title;
  std::vector<Series> series;
  std::vector<Level> levels;
};

/// Panels side by side over the same x axis.
struct Chart {
  std::string title;
  std::string subtitle;
  std::string x_label;
  std::vector<Panel> panels;
};

/// Draws the chart as an SVG element that can be embedded in a page: no script, no external font, all text escaped. It
/// follows the reader's light or dark colour scheme.
[[nodiscard]] std::string svg_element(const Chart& chart);
/// Draws the same as a stand-alone SVG file.
[[nodiscard]] std::string render_svg(const Chart& chart);

}  // namespace consilium::report
