#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/error/error.h"

struct sqlite3;
struct sqlite3_stmt;

/// Small records that must survive crashes, in an SQLite file. A commit is on the disk before its call returns.
namespace consilium::sqlite {

/// The expected format of a file. Any other file is refused, never repaired.
struct Format {
  std::uint32_t application_id = 0;  ///< marks the file as one of Consilium's
  int version = 1;                   ///< of the schema
  std::string_view schema;           ///< CREATE statements
  std::string_view remedy;           ///< what to do about a damaged file; ends the error's message
};

/// A value that can be bound to a `?` of a statement. Views must remain valid until the call returns.
using Value = std::variant<std::int64_t, std::string_view, std::span<const std::byte>>;

class Database;

/// The rows that a query returns, one after another.
class Rows {
 public:
  /// Moves to the next row; returns false if there is none. Read columns, counted from 0, only after it returned true.
  Result<bool> next();
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::vector<std::byte> blob(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  Rows(const Database* database, sqlite3_stmt* statement) : database_(database), statement_(statement) {}

  const Database* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// One open file, locked against every other process. Not thread-safe. Must outlive its Rows and not move meanwhile.
class Database {
 public:
  /// Opens the file after checking all of it. A missing file is created (mode 0600), either completely with its schema
  /// or not at all. Fails with kDataLoss (and the remedy) if the file is damaged or of another kind, or if it's missing
  /// but its log exists. Fails with kFailedPrecondition if another process has it open or its schema has another
  /// version.
  static Result<std::unique_ptr<Database>> open(const std::filesystem::path& file, const Format& format);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Result<Rows> query(std::string_view sql, const std::vector<Value>& values = {}) const;
  /// Executes a statement that returns no rows.
  Result<void> execute(std::string_view sql, const std::vector<Value>& values = {}) const;

  /// Runs `work` as one transaction. When the call returns, either everything that `work` did is on the disk or, if
  /// `work` or the commit failed, nothing.
  Result<void> transact(const std::function<Result<void>()>& work) const;

  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

 private:
  friend class Rows;
  Database(std::filesystem::path file, std::string remedy, sqlite3* handle);
  Result<void> run_script(const std::string& sql) const;
  Result<void> check(const Format& format) const;
  Result<std::int64_t> pragma(std::string_view name) const;
  /// Returns SQLite's last error message as an Error that names the file.
  [[nodiscard]] tl::unexpected<Error> error(int code) const;
  [[nodiscard]] tl::unexpected<Error> damaged(std::string_view how) const;

  static Result<std::unique_ptr<Database>> attach(const std::filesystem::path& file, const Format& format);
  static Result<void> create(const std::filesystem::path& file, const Format& format);

  std::filesystem::path file_;
  std::string remedy_;
  sqlite3* handle_;
};

}  // namespace consilium::sqlite
