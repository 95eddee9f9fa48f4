#include "common/report/line_chart.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/catch.h"

namespace consilium::report {
namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

/// Walks the tags like an XML reader: every element must be closed by its own name.
bool well_formed(const std::string& xml) {
  std::vector<std::string> open;
  for (std::size_t at = xml.find('<'); at != std::string::npos; at = xml.find('<', at)) {
    const std::size_t end = xml.find('>', at);
    if (end == std::string::npos) return false;
    const std::string tag = xml.substr(at + 1, end - at - 1);
    at = end;
    if (tag.front() == '?' || tag.back() == '/') continue;
    if (tag.front() == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
    } else {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
  }
  return open.empty();
}

Chart example() {
  return {"chest-xray",
          "fedavg",
          "round",
          {{"Loss", {{"training", {{1, 0.7}, {2, 0.5}, {3, 0.4}}}, {"val", {{1, 0.6}, {3, 0.35}}}}, {}},
           {"Metric", {{"accuracy", {{1, 0.6}, {2, 0.8}, {3, 0.85}}}}, {{"pooled", 0.87}}}}};
}

TEST_CASE("a chart has one path for each line, one dashed line for each level, and every name in its legend") {
  const std::string svg = render_svg(example());
  CHECK(well_formed(svg));
  CHECK(count(svg, "<path ") == 3);
  CHECK(count(svg, "stroke-dasharray") == 2);  // in the plot and in the legend
  for (const char* name : {"training", "val", "accuracy", "pooled", "chest-xray", "round"})
    CHECK(svg.find(name) != std::string::npos);
}

TEST_CASE("a chart escapes names, whatever a job calls itself") {
  Chart chart = example();
  chart.title = "<script>\"a\" & 'b'\x1b\x01</script>";
  const std::string svg = render_svg(chart);
  CHECK(well_formed(svg));
  CHECK(svg.find("<script>") == std::string::npos);
  CHECK(svg.find("&lt;script&gt;") != std::string::npos);
  CHECK(svg.find('\x1b') == std::string::npos);
  CHECK(svg.find('\x01') == std::string::npos);
}

TEST_CASE("a chart in a page is the same element, and its style reaches nothing else of the page") {
  const std::string element = svg_element(example());
  CHECK(element.starts_with("<svg "));
  CHECK(render_svg(example()).ends_with(element));
  const std::size_t from = element.find("<style>") + 7;
  std::string style = element.substr(from, element.find("</style>") - from);
  for (std::size_t open = style.find('{'); open != std::string::npos; open = style.find('{', open + 1)) {
    const std::size_t before = style.find_last_of("}{", open - 1);
    const std::string selector = style.substr(before == std::string::npos ? 0 : before + 1,
                                              open - (before == std::string::npos ? 0 : before + 1));
    CHECK((selector.starts_with("svg.chart") || selector.starts_with("@media")));
  }
}

TEST_CASE("a chart leaves out what isn't finite, and stands without any point") {
  Chart chart = example();
  chart.panels[0].series[0].points[1].second = std::numeric_limits<double>::quiet_NaN();
  chart.panels[1].levels[0].y = std::numeric_limits<double>::infinity();
  const std::string svg = render_svg(chart);
  CHECK(well_formed(svg));
  CHECK(svg.find("nan") == std::string::npos);
  CHECK(svg.find("inf") == std::string::npos);

  CHECK(well_formed(render_svg(Chart{})));
  CHECK(well_formed(render_svg(Chart{"one", "", "round", {{"flat", {{"a", {{1, 0.5}}}}, {}}}})));
}

}  // namespace
}  // namespace consilium::report
