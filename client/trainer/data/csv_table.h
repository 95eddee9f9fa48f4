#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"

namespace consilium::data {

/// What a table may have at most.
struct CsvLimits {
  std::size_t bytes = std::size_t{256} << 20;
  std::size_t rows = 5'000'000;
  std::size_t columns = 4096;
  std::size_t cell_bytes = 8192;
};

/// A CSV table by RFC 4180: a header, rows of as many cells, quotes doubled inside of quotes. The separator is a comma,
/// a semicolon or a tab, whichever the header has most of; lines end with LF or CRLF; a byte order mark is skipped.
class CsvTable {
 public:
  /// Reads a file. Hostile input: bounded, UTF-8 without control characters, no two columns of one name, no row with
  /// another number of cells. Errors name the file and the line.
  static Result<CsvTable> read(const std::filesystem::path& file, const CsvLimits& limits = {});
  /// @param name  what errors call the text
  static Result<CsvTable> parse(std::string_view text, std::string_view name, const CsvLimits& limits = {});

  [[nodiscard]] std::size_t rows() const { return lines_.size(); }
  [[nodiscard]] std::string_view cell(std::size_t row, std::size_t column) const {
    return cells_[row * header_.size() + column];
  }
  /// The columns' names.
  [[nodiscard]] const std::vector<std::string>& header() const { return header_; }
  /// Finds a column that must be there; the error names those that are.
  [[nodiscard]] Result<std::size_t> column(std::string_view name) const;
  /// Says where a row stands, for errors: "labels.csv, line 17".
  [[nodiscard]] std::string place(std::size_t row) const;

 private:
  std::string name_;
  std::vector<std::string> header_;
  std::vector<std::string> cells_;
  std::vector<std::size_t> lines_;  ///< of each row
};

}  // namespace consilium::data
