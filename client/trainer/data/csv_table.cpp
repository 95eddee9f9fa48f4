#include "client/trainer/data/csv_table.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <set>
#include <utility>

#include "common/files/files.h"

namespace consilium::data {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80   ? 1
                               : lead < 0xC2 ? 0
                               : lead < 0xE0 ? 2
                               : lead < 0xF0 ? 3
                               : lead < 0xF5 ? 4
                                             : 0;
    if (length == 0 || length > text.size() - i) return false;
    for (std::size_t k = 1; k < length; ++k)
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return false;
    i += length;
  }
  return true;
}

/// Returns the separator that is most frequent in the first line, outside quotes.
char separator_of(std::string_view text) {
  std::size_t commas = 0, semicolons = 0, tabs = 0;
  bool quoted = false;
  for (const char letter : text) {
    if (letter == '"') quoted = !quoted;
    if (quoted) continue;
    if (letter == '\n') break;
    commas += letter == ',' ? 1 : 0;
    semicolons += letter == ';' ? 1 : 0;
    tabs += letter == '\t' ? 1 : 0;
  }
  if (tabs > commas && tabs > semicolons) return '\t';
  return semicolons > commas ? ';' : ',';
}

/// Reads records from a text, cell by cell.
class Records {
 public:
  Records(std::string_view text, std::string_view name, const CsvLimits& limits)
      : rest_(text), name_(name), limits_(limits), separator_(separator_of(text)) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  /// Returns the line that the next record begins on.
  [[nodiscard]] std::size_t line() const { return line_; }

  Result<void> next(std::vector<std::string>& cells) {
    cells.clear();
    for (bool more = true; more;) {
      if (cells.size() == limits_.columns) return refuse(fmt::format("more than {} columns", limits_.columns));
      CONSILIUM_TRY(take_cell(cells.emplace_back()));
      more = !rest_.empty() && rest_.front() == separator_;
      if (more) rest_.remove_prefix(1);
    }
    if (rest_.starts_with("\r\n")) rest_.remove_prefix(1);
    if (!rest_.empty() && rest_.front() != '\n')
      return refuse(
          "found a quote or a carriage return inside a cell; put the cell in quotes, and double each quote in it");
    if (!rest_.empty()) rest_.remove_prefix(1);
    ++line_;
    return {};
  }

 private:
  [[nodiscard]] tl::unexpected<Error> refuse(std::string_view what) const {
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}, line {}: {}", name_, line_, what));
  }

  Result<void> take_cell(std::string& cell) {
    if (!rest_.empty() && rest_.front() == '"') return take_quoted(cell);
    const std::string_view ends(separator_ == ',' ? ",\r\n\"" : separator_ == ';' ? ";\r\n\"" : "\t\r\n\"");
    const std::size_t end = std::min(rest_.find_first_of(ends), rest_.size());
    CONSILIUM_TRY(add(cell, rest_.substr(0, end)));
    rest_.remove_prefix(end);
    return {};
  }

  Result<void> take_quoted(std::string& cell) {
    rest_.remove_prefix(1);
    for (;;) {
      const std::size_t end = rest_.find('"');
      if (end == std::string_view::npos) return refuse("a quoted cell has no end");
      CONSILIUM_TRY(add(cell, rest_.substr(0, end)));
      rest_.remove_prefix(end + 1);
      if (rest_.empty() || rest_.front() != '"') return {};
      CONSILIUM_TRY(add(cell, "\""));
      rest_.remove_prefix(1);
    }
  }

  Result<void> add(std::string& cell, std::string_view text) {
    if (text.size() > limits_.cell_bytes - cell.size())
      return refuse(fmt::format("a cell of more than {} bytes", limits_.cell_bytes));
    if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
      return refuse("found a control character or a line break inside a cell");
    cell.append(text);
    return {};
  }

  std::string_view rest_;
  std::string_view name_;
  const CsvLimits& limits_;
  char separator_;
  std::size_t line_ = 1;
};

}  // namespace

Result<CsvTable> CsvTable::parse(std::string_view text, std::string_view name, const CsvLimits& limits) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (!is_utf8(text))
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}: isn't UTF-8; save it again as CSV UTF-8", name));
  CsvTable table;
  table.name_ = name;
  Records records(text, name, limits);
  CONSILIUM_TRY(records.next(table.header_));
  const std::set<std::string> different(table.header_.begin(), table.header_.end());
  if (different.size() != table.header_.size() || different.contains(""))
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{}, line 1: expected a different name for each column, found an empty or repeated name", name));
  std::vector<std::string> cells;
  while (!records.at_end()) {
    const std::size_t line = records.line();
    CONSILIUM_TRY(records.next(cells));
    if (cells.size() == 1 && cells[0].empty() && table.header_.size() != 1) continue;  // an empty line
    if (cells.size() != table.header_.size())
      return fail(ErrorCode::kInvalidArgument, fmt::format("{}, line {}: expected {} cells as in the header, found {}",
                                                           name, line, table.header_.size(), cells.size()));
    if (table.lines_.size() == limits.rows)
      return fail(ErrorCode::kResourceExhausted, fmt::format("{}: more than {} rows", name, limits.rows));
    table.lines_.push_back(line);
    std::move(cells.begin(), cells.end(), std::back_inserter(table.cells_));
  }
  return table;
}

Result<CsvTable> CsvTable::read(const std::filesystem::path& file, const CsvLimits& limits) {
  CONSILIUM_ASSIGN(const std::string text, files::read_file(file, limits.bytes));
  return parse(text, file.filename().string(), limits);
}

Result<std::size_t> CsvTable::column(std::string_view name) const {
  const auto found = std::find(header_.begin(), header_.end(), name);
  if (found != header_.end()) return static_cast<std::size_t>(found - header_.begin());
  const std::vector<std::string> shown(
      header_.begin(), header_.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(header_.size(), 20)));
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{}: no column '{}'; its columns are: {}", name_, name, fmt::join(shown, ", ")));
}

std::string CsvTable::place(std::size_t row) const { return fmt::format("{}, line {}", name_, lines_[row]); }

}  // namespace consilium::data
