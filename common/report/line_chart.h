#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace consilium::report {

/// One line of a panel.
struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;  ///< (x, y), x ascending; points that aren't finite are left out
};

/// A value to compare the lines with: a dashed horizontal line.
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

/// Draws the chart as a self-contained SVG (no script, no external font or style). Text is escaped.
[[nodiscard]] std::string render_svg(const Chart& chart);

}  // namespace consilium::report
