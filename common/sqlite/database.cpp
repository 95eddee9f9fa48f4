#include "common/sqlite/database.h"

#include <spdlog/fmt/fmt.h>
#include <sqlite3.h>

#include <system_error>
#include <utility>

#include "common/files/files.h"

namespace consilium::sqlite {

namespace fs = std::filesystem;

namespace {

int bind(sqlite3_stmt* statement, int place, const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return sqlite3_bind_int64(statement, place, *integer);
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    return sqlite3_bind_text64(statement, place, text->data() == nullptr ? "" : text->data(), text->size(),
                               SQLITE_TRANSIENT, SQLITE_UTF8);
  }
  const auto& bytes = std::get<std::span<const std::byte>>(value);
  if (bytes.empty()) return sqlite3_bind_zeroblob(statement, place, 0);
  return sqlite3_bind_blob64(statement, place, bytes.data(), bytes.size(), SQLITE_TRANSIENT);
}

ErrorCode code_of(int code) {
  switch (code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::kDataLoss;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return ErrorCode::kFailedPrecondition;
    case SQLITE_FULL:
      return ErrorCode::kResourceExhausted;
    default:
      return ErrorCode::kInternal;
  }
}

}  // namespace

void Rows::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Result<bool> Rows::next() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return database_->error(code);
}

std::int64_t Rows::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string Rows::text(int column) const {
  const auto* first = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (first == nullptr) return {};
  return {first, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::vector<std::byte> Rows::blob(int column) const {
  const auto* first = static_cast<const std::byte*>(sqlite3_column_blob(statement_.get(), column));
  if (first == nullptr) return {};
  return {first, first + sqlite3_column_bytes(statement_.get(), column)};
}

Database::Database(fs::path file, std::string remedy, sqlite3* handle)
    : file_(std::move(file)), remedy_(std::move(remedy)), handle_(handle) {}

Database::~Database() { sqlite3_close_v2(handle_); }

tl::unexpected<Error> Database::damaged(std::string_view how) const {
  return fail(ErrorCode::kDataLoss, fmt::format("{}: {}. {}", file_.string(), how, remedy_));
}

tl::unexpected<Error> Database::error(int code) const {
  const ErrorCode kind = code_of(code);
  if (kind == ErrorCode::kDataLoss) return damaged(sqlite3_errmsg(handle_));
  if (kind == ErrorCode::kFailedPrecondition) {
    return fail(kind, fmt::format("{}: another process has it open; is the program running twice?", file_.string()));
  }
  return fail(kind, fmt::format("{}: {}", file_.string(), sqlite3_errmsg(handle_)));
}

Result<std::unique_ptr<Database>> Database::open(const fs::path& file, const Format& format) {
  std::error_code problem;
  if (!fs::exists(file, problem)) CONSILIUM_TRY(create(file, format));
  CONSILIUM_ASSIGN(std::unique_ptr<Database> database, attach(file, format));
  // Exclusive mode is set before WAL, so that there is no shared memory file and the lock is held until the file is
  // closed.
  CONSILIUM_TRY(
      database->run_script("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; "
                           "PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON; "
                           "BEGIN IMMEDIATE; COMMIT"));
  CONSILIUM_TRY(database->check(format));
  return database;
}

Result<std::unique_ptr<Database>> Database::attach(const fs::path& file, const Format& format) {
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &handle,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  auto database = std::unique_ptr<Database>(new Database(file, std::string(format.remedy), handle));
  if (code != SQLITE_OK) return database->error(code);
  return database;
}

/// Creates the file under another name first. So a file with its final name has its schema, and an empty one was
/// emptied later.
Result<void> Database::create(const fs::path& file, const Format& format) {
  fs::path fresh = file;
  fresh += ".new";
  for (const char* suffix : {"", "-journal", "-wal"}) {
    std::error_code ignored;
    fs::remove(fresh.string() + suffix, ignored);
    // A log without its file means that the file was lost. SQLite would replay the log into the new file.
    if (fs::exists(file.string() + suffix, ignored)) {
      return fail(ErrorCode::kDataLoss, fmt::format("{}: the file is missing, although {}{} still exists. {}",
                                                    file.string(), file.filename().string(), suffix, format.remedy));
    }
  }
  CONSILIUM_TRY(files::create_private_file(fresh, {}));
  {
    CONSILIUM_ASSIGN(const std::unique_ptr<Database> database, attach(fresh, format));
    CONSILIUM_TRY(database->run_script(fmt::format(
        "PRAGMA synchronous = FULL; BEGIN; PRAGMA application_id = {}; PRAGMA user_version = {}; {}; COMMIT",
        format.application_id, format.version, format.schema)));
  }
  return files::rename_file(fresh, file);
}

Result<void> Database::check(const Format& format) const {
  CONSILIUM_ASSIGN(const std::int64_t id, pragma("application_id"));
  if (id != std::int64_t{format.application_id}) return damaged("it wasn't written by this program, or it was emptied");
  CONSILIUM_ASSIGN(const std::int64_t version, pragma("user_version"));
  if (version != format.version) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("{}: its format has version {}, but this program reads version {}", file_.string(), version,
                            format.version));
  }
  CONSILIUM_ASSIGN(Rows rows, query("PRAGMA integrity_check(1)"));
  CONSILIUM_ASSIGN(const bool any, rows.next());
  const std::string verdict = any ? rows.text(0) : "no verdict";
  if (verdict != "ok") return damaged(verdict);
  return {};
}

Result<std::int64_t> Database::pragma(std::string_view name) const {
  CONSILIUM_ASSIGN(Rows rows, query(fmt::format("PRAGMA {}", name)));
  CONSILIUM_ASSIGN(const bool any, rows.next());
  return any ? rows.integer(0) : 0;
}

Result<void> Database::run_script(const std::string& sql) const {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error(code);
  return {};
}

Result<Rows> Database::query(std::string_view sql, const std::vector<Value>& values) const {
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(handle_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  Rows rows(this, statement);
  int place = 0;
  for (const Value& value : values) {
    if (code == SQLITE_OK) code = bind(statement, ++place, value);
  }
  if (code != SQLITE_OK) return error(code);
  return rows;
}

Result<void> Database::execute(std::string_view sql, const std::vector<Value>& values) const {
  CONSILIUM_ASSIGN(Rows rows, query(sql, values));
  CONSILIUM_TRY(rows.next());
  return {};
}

Result<void> Database::transact(const std::function<Result<void>()>& work) const {
  CONSILIUM_TRY(execute("BEGIN IMMEDIATE"));
  auto done = work();
  if (done) done = execute("COMMIT");
  // If the rollback fails, the transaction stays open, and the next BEGIN reports it.
  if (!done) static_cast<void>(execute("ROLLBACK"));
  return done;
}

}  // namespace consilium::sqlite
