#include "client/trainer/task/postprocess.h"

#include <string>
#include <vector>

#include "tests/catch.h"

namespace consilium::trainer {
namespace {

/// Reads a map from rows of digits ('.' is the background); planes follow one another.
struct Drawing {
  Drawing(const std::vector<std::vector<std::string>>& planes) {
    grid.size = {static_cast<std::int64_t>(planes.size()), static_cast<std::int64_t>(planes[0].size()),
                 static_cast<std::int64_t>(planes[0][0].size())};
    for (const auto& plane : planes) {
      for (const std::string& row : plane) {
        for (const char c : row) map.push_back(c == '.' ? 0 : c - '0');
      }
    }
  }
  Grid grid;
  std::vector<std::int64_t> map;
};

void check(const std::vector<std::vector<std::string>>& from, const task::Postprocess& rules,
           const std::vector<std::vector<std::string>>& expected) {
  Drawing drawing(from);
  postprocess(std::span(drawing.map), drawing.grid, rules);
  CHECK(drawing.map == Drawing(expected).map);
}

TEST_CASE("of a class the largest connected part stays, and others keep theirs") {
  check({{"11..2", "11..2", "..1.2", ".....", "2...1"}}, {.largest_component = {1}},
        {{"11..2", "11..2", "..1.2", ".....", "2...."}});
  // Corners connect: the voxel at (2, 2) belongs to the part above. Of equal parts the first remains.
  check({{"1..1", "....", "2..2"}}, {.largest_component = {1, 2}}, {{"1...", "....", "2..."}});
  check({{"...", "..."}}, {.largest_component = {1}}, {{"...", "..."}});
}

TEST_CASE("parts of a volume are connected through its planes") {
  check({{"1..", "...", "..."}, {".1.", "...", "..."}, {"...", "...", "..1"}}, {.largest_component = {1}},
        {{"1..", "...", "..."}, {".1.", "...", "..."}, {"...", "...", "..."}});
}

TEST_CASE("holes are background inside of one class") {
  const task::Postprocess rules{.largest_component = {}, .fill_holes = {1}};
  check({{"11111", "1...1", "1.1.1", "11111"}}, rules, {{"11111", "11111", "11111", "11111"}});
  // Open at the edge, open through a gap, or half of another class: none is a hole. A corner closes a hole.
  check({{"1111", "1...", "1111"}}, rules, {{"1111", "1...", "1111"}});
  check({{"1112", "1..2", "1112"}}, rules, {{"1112", "1..2", "1112"}});
  check({{".11.", "1..1", ".11."}}, rules, {{".11.", "1111", ".11."}});
  // Class 2 inside of class 1 is no hole, and neither is the space between them.
  check({{"11111", "1.2.1", "11111"}}, rules, {{"11111", "1.2.1", "11111"}});
}

TEST_CASE("a hole of a volume is closed in every plane") {
  const task::Postprocess rules{.largest_component = {}, .fill_holes = {1}};
  check({{"111", "111", "111"}, {"111", "1.1", "111"}, {"111", "111", "111"}}, rules,
        {{"111", "111", "111"}, {"111", "111", "111"}, {"111", "111", "111"}});
  check({{"111", "111", "111"}, {"111", "1.1", "111"}}, rules, {{"111", "111", "111"}, {"111", "1.1", "111"}});
}

TEST_CASE("the largest part is found before its holes are filled") {
  check({{"111..", "1.1.1", "111.."}}, {.largest_component = {1}, .fill_holes = {1}}, {{"111..", "111..", "111.."}});
}

}  // namespace
}  // namespace consilium::trainer
