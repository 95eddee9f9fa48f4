#include "client/masking/group_records.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

namespace consilium::masking {

using crypto::Digest;

namespace {

constexpr sqlite::Format kFormat{
    .application_id = 0x434c4447,  // "CLDG"
    .version = 3,
    .schema = R"(
      CREATE TABLE adverts(members TEXT NOT NULL, number INTEGER NOT NULL, digest BLOB NOT NULL CHECK(length(digest) = 32),
        PRIMARY KEY(members, number, digest)) STRICT, WITHOUT ROWID;
      CREATE TABLE seen(members TEXT NOT NULL, site TEXT NOT NULL, number INTEGER NOT NULL,
        digest BLOB NOT NULL CHECK(length(digest) = 32), PRIMARY KEY(members, site)) STRICT, WITHOUT ROWID;
      CREATE TABLE attempts(job BLOB NOT NULL, step INTEGER NOT NULL, attempt INTEGER NOT NULL,
        PRIMARY KEY(job, step)) STRICT, WITHOUT ROWID;
      CREATE TABLE vectors(job BLOB NOT NULL, step INTEGER NOT NULL, digest BLOB NOT NULL CHECK(length(digest) = 32),
        PRIMARY KEY(job, step)) STRICT, WITHOUT ROWID;
      CREATE TABLE releases(job BLOB NOT NULL, step INTEGER NOT NULL, attempt INTEGER NOT NULL, kind INTEGER NOT NULL,
        round INTEGER NOT NULL, masked BLOB NOT NULL CHECK(length(masked) = 32), population TEXT NOT NULL,
        job_id TEXT NOT NULL, researcher TEXT NOT NULL, group_index INTEGER NOT NULL, members TEXT NOT NULL, at INTEGER NOT NULL,
        cohort BLOB NOT NULL, PRIMARY KEY(job, step, attempt)) STRICT, WITHOUT ROWID;
      CREATE TABLE totals(job BLOB NOT NULL, step INTEGER NOT NULL, digest BLOB NOT NULL CHECK(length(digest) = 32),
        PRIMARY KEY(job, step)) STRICT, WITHOUT ROWID;
      CREATE TABLE endorsed(job BLOB NOT NULL, step INTEGER NOT NULL, digest BLOB NOT NULL CHECK(length(digest) = 32),
        PRIMARY KEY(job, step)) STRICT, WITHOUT ROWID;
      CREATE TABLE commits(job BLOB NOT NULL, step INTEGER NOT NULL, digest BLOB NOT NULL CHECK(length(digest) = 32),
        model BLOB NOT NULL CHECK(length(model) = 32), groups TEXT NOT NULL, PRIMARY KEY(job, step)) STRICT, WITHOUT ROWID;
      CREATE TABLE data(job BLOB PRIMARY KEY NOT NULL, train INTEGER NOT NULL, val INTEGER NOT NULL, test INTEGER NOT NULL,
        digest BLOB NOT NULL CHECK(length(digest) = 32)) STRICT, WITHOUT ROWID;
      CREATE TABLE ended(job BLOB PRIMARY KEY NOT NULL, step INTEGER NOT NULL, reason TEXT NOT NULL)
        STRICT, WITHOUT ROWID;
      CREATE TABLE set_back(members TEXT PRIMARY KEY NOT NULL, reason TEXT NOT NULL) STRICT, WITHOUT ROWID)",
    .remedy =
        "Don't restore it from a backup. Stop the client, remove sums.db, sums.db-wal and the folder sums, and rebuild "
        "this ledger from those of the other members: consilium-client ledger request "
        "(docs/hospital-it/masking.md)"};

}  // namespace

Result<std::unique_ptr<GroupRecords>> GroupRecords::open(const std::filesystem::path& folder) {
  auto records = std::make_unique<GroupRecords>();
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (std::filesystem::exists(folder / "sums", problem) && !std::filesystem::exists(folder / "sums.db", problem)) {
    return fail(ErrorCode::kDataLoss,
                fmt::format("{}: the file is missing, although {} still exists. {}", (folder / "sums.db").string(),
                            (folder / "sums").string(), kFormat.remedy));
  }
  CONSILIUM_ASSIGN(records->database, sqlite::Database::open(folder / "sums.db", kFormat));
  return records;
}

Result<std::optional<std::int64_t>> GroupRecords::number(std::string_view sql,
                                                         const std::vector<sqlite::Value>& values) const {
  CONSILIUM_ASSIGN(sqlite::Rows rows, database->query(sql, values));
  CONSILIUM_ASSIGN(const bool any, rows.next());
  return any ? std::optional(rows.integer(0)) : std::nullopt;
}

Result<std::optional<Digest>> GroupRecords::digest(std::string_view sql,
                                                   const std::vector<sqlite::Value>& values) const {
  CONSILIUM_ASSIGN(sqlite::Rows rows, database->query(sql, values));
  CONSILIUM_ASSIGN(const bool any, rows.next());
  return any ? std::optional(digest_in(rows, 0)) : std::nullopt;
}

Result<std::optional<Digest>> GroupRecords::only(std::string_view table, const SumId& sum) const {
  return digest(fmt::format("SELECT digest FROM {} WHERE job = ? AND step = ?", table),
                {bytes_of(sum.job), step_of(sum)});
}

Result<void> GroupRecords::keep_only(std::string_view table, const SumId& sum, const Digest& one,
                                     std::string_view what) const {
  CONSILIUM_ASSIGN(const auto kept, only(table, sum));
  CONSILIUM_TRY(require(!kept || *kept == one, fmt::format("{}: {}", describe(sum), what)));
  return database->execute(
      fmt::format("INSERT INTO {}(job, step, digest) VALUES(?, ?, ?) ON CONFLICT DO NOTHING", table),
      {bytes_of(sum.job), step_of(sum), bytes_of(one)});
}

Result<bool> GroupRecords::is_closed(const SumId& sum) const {
  CONSILIUM_ASSIGN(const auto found, number("SELECT 1 FROM commits WHERE job = ? AND step >= ? LIMIT 1",
                                            {bytes_of(sum.job), step_of(sum)}));
  return found.has_value();
}

Result<void> GroupRecords::end_job(const Digest& job, const std::string& reason) const {
  return database->execute(
      "INSERT INTO ended(job, step, reason) VALUES(?, -1, ?) ON CONFLICT DO UPDATE SET step = -1, "
      "reason = excluded.reason WHERE step >= 0",
      {bytes_of(job), std::string_view(reason)});
}

Result<void> GroupRecords::keep_seen(const std::string& lines, const std::string& site, const secagg::Seen& one) const {
  return database->execute(
      "INSERT INTO seen(members, site, number, digest) VALUES(?, ?, ?, ?) ON CONFLICT DO UPDATE SET number = "
      "excluded.number, digest = excluded.digest WHERE excluded.number > number",
      {std::string_view(lines), std::string_view(site), static_cast<std::int64_t>(one.number), bytes_of(one.advert)});
}

Result<std::vector<secagg::Seen>> GroupRecords::seen(const std::vector<std::string>& group,
                                                     const std::string& self) const {
  const std::string lines = lines_of(group);
  std::vector<secagg::Seen> seen;
  for (const std::string& site : group) {
    if (site == self) continue;
    CONSILIUM_ASSIGN(sqlite::Rows rows,
                     database->query("SELECT number, digest FROM seen WHERE members = ? AND site = ?",
                                     {std::string_view(lines), std::string_view(site)}));
    CONSILIUM_ASSIGN(const bool any, rows.next());
    seen.push_back(any ? secagg::Seen{static_cast<std::uint64_t>(rows.integer(0)), digest_in(rows, 1)}
                       : secagg::Seen{});
  }
  return seen;
}

Result<std::optional<std::string>> GroupRecords::ended(const Digest& job) const {
  CONSILIUM_ASSIGN(sqlite::Rows rows,
                   database->query("SELECT reason FROM ended WHERE job = ? AND step < 0", {bytes_of(job)}));
  CONSILIUM_ASSIGN(const bool any, rows.next());
  return any ? std::optional(rows.text(0)) : std::nullopt;
}

Result<void> require(bool holds, std::string why) {
  if (holds) return {};
  return fail(ErrorCode::kPermissionDenied, std::move(why));
}

std::span<const std::byte> bytes_of(const Digest& digest) { return std::as_bytes(std::span(digest)); }

std::int64_t step_of(const SumId& sum) {
  return 2 * std::int64_t{sum.round} + (sum.kind == job::SumKind::kEvaluate ? 1 : 0);
}

std::string describe(const SumId& sum) {
  return fmt::format("{} {} of job {}", job::name_of(sum.kind), sum.round, crypto::to_hex(sum.job).substr(0, 8));
}

std::string lines_of(const std::vector<std::string>& group) {
  std::string lines;
  for (const std::string& name : group) lines += name + '\n';
  return lines;
}

std::vector<std::string> names_in(std::string_view lines) {
  std::vector<std::string> names;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    names.emplace_back(lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return names;
}

std::string lines_of(std::span<const std::uint32_t> groups) {
  std::string lines;
  for (const std::uint32_t group : groups) lines += fmt::format("{}\n", group);
  return lines;
}

std::vector<std::uint32_t> groups_in(std::string_view lines) {
  std::vector<std::uint32_t> groups;
  for (const std::string& line : names_in(lines))
    std::from_chars(line.data(), line.data() + line.size(), groups.emplace_back());
  return groups;
}

Digest digest_in(const sqlite::Rows& rows, int column) {
  Digest digest{};
  std::ranges::copy(rows.blob(column), std::as_writable_bytes(std::span(digest)).begin());
  return digest;
}

}  // namespace consilium::masking
