#include "client/trainer/data/csv_table.h"

#include <string>
#include <utility>
#include <vector>

#include "tests/catch.h"

namespace consilium::data {
namespace {

std::string refusal(const std::string& text, const CsvLimits& limits = {}) {
  const auto table = CsvTable::parse(text, "t.csv", limits);
  return table ? "accepted" : table.error().message;
}

TEST_CASE("a table's cells are read with quotes, doubled quotes and either line end") {
  const auto table = CsvTable::parse(
                         "\xEF\xBB\xBF"
                         "file,\"the class\"\r\na.png,\"x, \"\"y\"\"\"\r\n\r\nb.png,\n",
                         "t.csv")
                         .value();
  REQUIRE(table.rows() == 2);
  CHECK(table.header() == std::vector<std::string>{"file", "the class"});
  CHECK(table.cell(0, 1) == "x, \"y\"");
  CHECK(table.cell(1, 0) == "b.png");
  CHECK(table.cell(1, 1).empty());
  CHECK(table.place(1) == "t.csv, line 4");
  CHECK(table.column("the class").value() == 1);
  CHECK_THAT(table.column("label").error().message,
             Catch::Contains("t.csv: no column 'label'") && Catch::Contains("file, the class"));
}

TEST_CASE("a table may be separated by semicolons or tabs, as spreadsheets of some countries save it") {
  CHECK(CsvTable::parse("a;b\n1,5;2\n", "t.csv").value().cell(0, 0) == "1,5");
  CHECK(CsvTable::parse("a\tb\n1\t2\n", "t.csv").value().cell(0, 1) == "2");
  CHECK(CsvTable::parse("only\nx\n", "t.csv").value().rows() == 1);
}

TEST_CASE("a malformed table is refused with its line") {
  const std::vector<std::pair<std::string, std::string>> wrong{
      {"a,b\n1\n", "t.csv, line 2: expected 2 cells as in the header, found 1"},
      {"a,b\n1,2,3\n", "line 2: expected 2 cells"},
      {"a,b\n1,\"2\n", "line 2: a quoted cell has no end"},
      {"a,b\n1,2\"3\n", "line 2: found a quote or a carriage return inside a cell"},
      {"a,b\n\"1\"x,2\n", "line 2: found a quote"},
      {"a,b\n1,2\r3\n", "line 2"},
      {"a,b\n1,\"2\n3\"\n", "line 2: found a control character or a line break"},
      {std::string("a,b\n1,\0\n", 8), "line 2: found a control character"},
      {"a,a\n1,2\n", "line 1: expected a different name for each column"},
      {"a,\n1,2\n", "line 1: expected a different name"},
      {"", "line 1: expected a different name"},
      {"a,b\n\xff,2\n", "isn't UTF-8"},
      {"a,b\n\xc0\x80,2\n", "isn't UTF-8"}};
  for (const auto& [text, part] : wrong) {
    CAPTURE(text);
    CHECK_THAT(refusal(text), Catch::Contains(part));
  }
}

TEST_CASE("a table beyond its limits is refused") {
  CHECK_THAT(refusal("a,b\n1,2\n3,4\n", {.rows = 1}), Catch::Contains("more than 1 rows"));
  CHECK_THAT(refusal("a,b,c\n", {.columns = 2}), Catch::Contains("more than 2 columns"));
  CHECK_THAT(refusal("a,b\n1,12345\n", {.cell_bytes = 4}), Catch::Contains("line 2: a cell of more than 4 bytes"));
  CHECK_THAT(refusal("a,b\n1,\"12\"\"45\"\n", {.cell_bytes = 4}), Catch::Contains("a cell of more than 4 bytes"));
}

TEST_CASE("a table cut anywhere is refused or shorter") {
  const std::string text = "file,class\n\"a\",1\nb,\"2\"\"\"\n";
  for (std::size_t length = 0; length < text.size(); ++length) {
    const auto table = CsvTable::parse(text.substr(0, length), "t.csv");
    if (table) CHECK(table->rows() <= 2);
  }
}

}  // namespace
}  // namespace consilium::data
