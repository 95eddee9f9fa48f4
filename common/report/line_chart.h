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

/// Draws the chart as an SVG element that may stand in a page: no script, no external font, text escaped. It is light
/// or dark as the reader's screen is.
[[nodiscard]] std::string svg_element(const Chart& chart);
/// The same as a file by itself.
[[nodiscard]] std::string render_svg(const Chart& chart);

}  // namespace consilium::report
