#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"

namespace consilium::data {

/// The maximum sizes of a table.
struct CsvLimits {
  std::size_t bytes = std::size_t{256} << 20;
  std::size_t rows = 5'000'000;
  std::size_t columns = 4096;
  std::size_t cell_bytes = 8192;
};

/// A CSV table as RFC 4180 defines it: a header, rows with the same number of cells, quotes doubled inside quotes. The
/// separator is a comma, a semicolon or a tab, whichever is most frequent in the header. Lines end with LF or CRLF. A
/// byte order mark is skipped.
class CsvTable {
 public:
  /// Reads a file. It is hostile input: the limits are enforced, and the file must be UTF-8 without control characters,
  /// have no two columns of the same name, and have as many cells in each row as in the header. Errors name the file
  /// and the line.
  static Result<CsvTable> read(const std::filesystem::path& file, const CsvLimits& limits = {});
  /// @param name  the text's name in errors
  static Result<CsvTable> parse(std::string_view text, std::string_view name, const CsvLimits& limits = {});

  [[nodiscard]] std::size_t rows() const { return lines_.size(); }
  [[nodiscard]] std::string_view cell(std::size_t row, std::size_t column) const {
    return cells_[row * header_.size() + column];
  }
  /// Returns the columns' names.
  [[nodiscard]] const std::vector<std::string>& header() const { return header_; }
  /// Finds a column that must exist. If it doesn't, the error lists the columns that do.
  [[nodiscard]] Result<std::size_t> column(std::string_view name) const;
  /// Returns the place of a row, for errors: "labels.csv, line 17".
  [[nodiscard]] std::string place(std::size_t row) const;

 private:
  std::string name_;
  std::vector<std::string> header_;
  std::vector<std::string> cells_;
  std::vector<std::size_t> lines_;  ///< the line number of each row
};

}  // namespace consilium::data
