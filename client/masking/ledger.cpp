#include "client/masking/ledger.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <system_error>
#include <utility>

#include "common/sqlite/database.h"

namespace consilium::masking {

namespace fs = std::filesystem;

namespace {

constexpr sqlite::Format kFormat{
    .application_id = 0x434d534b,  // "CMSK"
    .version = 1,
    .schema = R"(
      CREATE TABLE attempts(job TEXT NOT NULL, kind INTEGER NOT NULL, round INTEGER NOT NULL, attempt INTEGER NOT NULL,
        PRIMARY KEY(job, kind, round)) STRICT, WITHOUT ROWID;
      CREATE TABLE survivor_lists(job TEXT NOT NULL, kind INTEGER NOT NULL, round INTEGER NOT NULL,
        attempt INTEGER NOT NULL, model BLOB NOT NULL, dataset TEXT NOT NULL, survivors TEXT NOT NULL,
        PRIMARY KEY(job, kind, round)) STRICT, WITHOUT ROWID;
      CREATE INDEX lists_of_a_model ON survivor_lists(model, kind, dataset);
      CREATE TABLE replies(job TEXT NOT NULL, kind INTEGER NOT NULL, round INTEGER NOT NULL, attempt INTEGER NOT NULL,
        request BLOB NOT NULL, reply BLOB NOT NULL,
        PRIMARY KEY(job, kind, round, attempt, request)) STRICT, WITHOUT ROWID;
      CREATE TABLE vectors(job TEXT NOT NULL, kind INTEGER NOT NULL, round INTEGER NOT NULL, attempt INTEGER NOT NULL,
        digest BLOB NOT NULL CHECK(length(digest) = 32),
        PRIMARY KEY(job, kind, round, attempt)) STRICT, WITHOUT ROWID;
      CREATE TABLE members(job TEXT PRIMARY KEY NOT NULL, sites TEXT NOT NULL) STRICT, WITHOUT ROWID)",
    .remedy =
        "Don't restore it from a backup. Stop the client, have the masked jobs stopped that this site takes part in, "
        "then remove masking.db, masking.db-wal and the folder vectors (docs/hospital-it/masking.md)"};

Result<void> require(bool holds, const std::string& why) {
  if (holds) return {};
  return fail(ErrorCode::kPermissionDenied, why);
}

std::span<const std::byte> bytes_of(const crypto::Digest& digest) { return std::as_bytes(std::span(digest)); }

/// Returns the values for the columns job, kind, round of a key, followed by `more`.
std::vector<sqlite::Value> round_of(const job::SessionKey& key, std::initializer_list<sqlite::Value> more = {}) {
  std::vector<sqlite::Value> values{std::string_view(key.job_id), std::int64_t{static_cast<int>(key.kind)},
                                    std::int64_t{key.round}};
  values.insert(values.end(), more);
  return values;
}

/// Does the same for job, kind, round, attempt.
std::vector<sqlite::Value> session_of(const job::SessionKey& key, std::initializer_list<sqlite::Value> more = {}) {
  std::vector<sqlite::Value> values = round_of(key, {std::int64_t{key.attempt}});
  values.insert(values.end(), more);
  return values;
}

/// Formats a set of names as it is stored: sorted, each on its own line.
Result<std::string> lines_of(std::vector<std::string> names) {
  std::ranges::sort(names);
  std::string lines;
  for (const std::string& name : names) {
    if (name.empty() || name.find('\n') != std::string::npos) {
      return fail(ErrorCode::kInvalidArgument, fmt::format("'{}' is not a site's name", name));
    }
    lines += name + '\n';
  }
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

std::string listed(std::string_view lines) { return fmt::format("{}", fmt::join(names_in(lines), ", ")); }

}  // namespace

struct Ledger::Impl {
  fs::path vectors;
  std::unique_ptr<sqlite::Database> database;
  mutable std::mutex mutex;

  /// A survivor list as it is stored.
  struct Row {
    std::uint32_t attempt = 0;
    std::vector<std::byte> model;
    std::string dataset, survivors;
    bool operator==(const Row&) const = default;
  };

  Result<std::uint32_t> last_attempt(const job::SessionKey& key) const {
    CONSILIUM_ASSIGN(
        sqlite::Rows rows,
        database->query("SELECT attempt FROM attempts WHERE job = ? AND kind = ? AND round = ?", round_of(key)));
    CONSILIUM_ASSIGN(const bool any, rows.next());
    return any ? static_cast<std::uint32_t>(rows.integer(0)) : 0;
  }

  Result<std::optional<Row>> list_of(const job::SessionKey& key) const {
    CONSILIUM_ASSIGN(sqlite::Rows rows, database->query("SELECT attempt, model, dataset, survivors FROM survivor_lists "
                                                        "WHERE job = ? AND kind = ? AND round = ?",
                                                        round_of(key)));
    CONSILIUM_ASSIGN(const bool any, rows.next());
    if (!any) return std::nullopt;
    return Row{static_cast<std::uint32_t>(rows.integer(0)), rows.blob(1), rows.text(2), rows.text(3)};
  }

  Result<void> check_unconfirmed(const job::SessionKey& key) const {
    CONSILIUM_ASSIGN(const std::optional<Row> list, list_of(key));
    if (!list) return {};
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("{}: this site has confirmed attempt {}, so it takes part in no other attempt",
                            to_string(key), list->attempt));
  }

  Result<void> check_rises(const job::SessionKey& key) const {
    CONSILIUM_ASSIGN(const std::uint32_t last, last_attempt(key));
    return require(key.attempt > last, fmt::format("{}: attempt {} refused: attempt {} has already begun",
                                                   to_string(key), key.attempt, last));
  }

  Result<void> check_begun(const job::SessionKey& key) const {
    CONSILIUM_ASSIGN(const std::uint32_t last, last_attempt(key));
    return require(key.attempt == last,
                   fmt::format("{}: found survivors of attempt {}, expected those of attempt {}, which began last",
                               to_string(key), key.attempt, last));
  }

  Result<void> check_only_list(const job::SessionKey& key, const Row& row) const {
    CONSILIUM_ASSIGN(const std::optional<Row> earlier, list_of(key));
    if (!earlier || *earlier == row) return {};
    return fail(
        ErrorCode::kPermissionDenied,
        fmt::format(
            "{}: this site has confirmed the survivors {} in attempt {}, so it doesn't confirm another list: {}",
            to_string(key), listed(earlier->survivors), earlier->attempt, listed(row.survivors)));
  }

  Result<void> check_same_model(const job::SessionKey& key, const Row& row) const {
    CONSILIUM_ASSIGN(sqlite::Rows rows,
                     database->query("SELECT job, round, survivors FROM survivor_lists "
                                     "WHERE model = ? AND kind = ? AND dataset = ? AND survivors <> ? LIMIT 1",
                                     {std::span<const std::byte>(row.model), std::int64_t{static_cast<int>(key.kind)},
                                      std::string_view(row.dataset), std::string_view(row.survivors)}));
    CONSILIUM_ASSIGN(const bool any, rows.next());
    if (!any) return {};
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("{}: the same {} was already summed over other sites ({} round {}: {}; now: {}). The "
                            "difference of the two sums would reveal the sites that are in only one of them; "
                            "policy.yaml: allow_changed_cohort would allow that",
                            to_string(key), key.kind == job::SumKind::kCensus ? "job's census" : "model", rows.text(0),
                            rows.integer(1), listed(rows.text(2)), listed(row.survivors)));
  }

  Result<std::optional<std::vector<std::byte>>> reply(const job::SessionKey& key, const crypto::Digest& request) const {
    CONSILIUM_ASSIGN(
        sqlite::Rows rows,
        database->query("SELECT reply FROM replies WHERE job = ? AND kind = ? AND round = ? AND attempt = ? "
                        "AND request = ?",
                        session_of(key, {bytes_of(request)})));
    CONSILIUM_ASSIGN(const bool any, rows.next());
    if (!any) return std::nullopt;
    return rows.blob(0);
  }

  Result<void> check_reply(const job::SessionKey& key, const crypto::Digest& request,
                           std::span<const std::byte> bytes) const {
    CONSILIUM_ASSIGN(const auto kept, reply(key, request));
    return require(!kept || std::ranges::equal(*kept, bytes),
                   to_string(key) + ": this request already has another answer");
  }

  Result<std::optional<crypto::Digest>> vector(const job::SessionKey& key) const {
    CONSILIUM_ASSIGN(sqlite::Rows rows,
                     database->query("SELECT digest FROM vectors WHERE job = ? AND kind = ? AND round = ? AND "
                                     "attempt = ?",
                                     session_of(key)));
    CONSILIUM_ASSIGN(const bool any, rows.next());
    if (!any) return std::nullopt;
    crypto::Digest digest{};
    std::ranges::copy(rows.blob(0), std::as_writable_bytes(std::span(digest)).begin());
    return digest;
  }

  Result<void> check_vector(const job::SessionKey& key, const crypto::Digest& digest) const {
    CONSILIUM_ASSIGN(const auto kept, vector(key));
    return require(!kept || *kept == digest, to_string(key) + ": another vector was already masked in this session");
  }

  Result<std::optional<std::string>> members(const std::string& job) const {
    CONSILIUM_ASSIGN(sqlite::Rows rows,
                     database->query("SELECT sites FROM members WHERE job = ?", {std::string_view(job)}));
    CONSILIUM_ASSIGN(const bool any, rows.next());
    if (!any) return std::nullopt;
    return rows.text(0);
  }

  Result<void> check_members(const std::string& job, const std::string& lines) const {
    CONSILIUM_ASSIGN(const auto kept, members(job));
    return require(!kept || *kept == lines,
                   fmt::format("{}: expected the members {}, found {}", job, listed(kept.value_or("")), listed(lines)));
  }

  [[nodiscard]] fs::path file_of(const job::SessionKey& key) const {
    const std::string text = fmt::format("{}/{}/{}/{}", static_cast<int>(key.kind), key.round, key.attempt, key.job_id);
    return vectors / (crypto::to_hex(crypto::sha256(text)) + ".masked");
  }

  Result<void> forget(const job::SessionKey& key) const {
    std::error_code problem;
    fs::remove(file_of(key), problem);
    if (problem) return fail(ErrorCode::kInternal, fmt::format("{}: {}", file_of(key).string(), problem.message()));
    for (const char* table : {"replies", "vectors"}) {
      CONSILIUM_TRY(database->execute(
          fmt::format("DELETE FROM {} WHERE job = ? AND kind = ? AND round = ? AND attempt = ?", table),
          session_of(key)));
    }
    return {};
  }

  static Result<std::vector<job::SessionKey>> keys_in(sqlite::Rows rows) {
    std::vector<job::SessionKey> keys;
    for (;;) {
      CONSILIUM_ASSIGN(const bool any, rows.next());
      if (!any) return keys;
      keys.push_back({rows.text(0), static_cast<job::SumKind>(rows.integer(1)),
                      static_cast<std::uint32_t>(rows.integer(2)), static_cast<std::uint32_t>(rows.integer(3))});
    }
  }

  /// Removes vectors without a recorded digest. A crash may come between writing a vector's file and recording its
  /// digest: the vector was then never sent, and isn't masked a second time.
  Result<void> remove_strays() const {
    CONSILIUM_ASSIGN(sqlite::Rows rows, database->query("SELECT job, kind, round, attempt FROM vectors"));
    CONSILIUM_ASSIGN(const std::vector<job::SessionKey> keys, keys_in(std::move(rows)));
    std::set<fs::path> known;
    for (const job::SessionKey& key : keys) known.insert(file_of(key));
    std::vector<fs::path> strays;
    std::error_code problem;
    for (fs::directory_iterator entry(vectors, problem), end; !problem && entry != end; entry.increment(problem)) {
      if (!known.contains(entry->path())) strays.push_back(entry->path());
    }
    for (const fs::path& stray : strays) {
      if (!problem) fs::remove(stray, problem);
    }
    if (problem) return fail(ErrorCode::kInternal, fmt::format("{}: {}", vectors.string(), problem.message()));
    return {};
  }
};

Ledger::Ledger(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Ledger::Ledger(Ledger&&) noexcept = default;
Ledger& Ledger::operator=(Ledger&&) noexcept = default;
Ledger::~Ledger() = default;

Result<Ledger> Ledger::open(const fs::path& folder) {
  const fs::path file = folder / "masking.db";
  auto impl = std::make_unique<Impl>();
  impl->vectors = folder / "vectors";
  std::error_code problem;
  fs::create_directories(folder, problem);
  if (fs::exists(impl->vectors, problem) && !fs::exists(file, problem)) {
    return fail(ErrorCode::kDataLoss, fmt::format("{}: the file is missing, although {} still exists. {}",
                                                  file.string(), impl->vectors.string(), kFormat.remedy));
  }
  CONSILIUM_ASSIGN(impl->database, sqlite::Database::open(file, kFormat));
  fs::create_directory(impl->vectors, problem);
  if (!problem) fs::permissions(impl->vectors, fs::perms::owner_all, problem);
  if (problem) return fail(ErrorCode::kInternal, fmt::format("{}: {}", impl->vectors.string(), problem.message()));
  CONSILIUM_TRY(impl->remove_strays());
  return Ledger(std::move(impl));
}

Result<void> Ledger::begin_attempt(const job::SessionKey& key) {
  const std::lock_guard lock(impl_->mutex);
  CONSILIUM_TRY(impl_->check_unconfirmed(key));  // check: ledger-confirmed
  CONSILIUM_TRY(impl_->check_rises(key));        // check: ledger-attempt
  return impl_->database->execute(
      "INSERT INTO attempts(job, kind, round, attempt) VALUES(?, ?, ?, ?) "
      "ON CONFLICT DO UPDATE SET attempt = excluded.attempt",
      session_of(key));
}

Result<void> Ledger::confirm(const SurvivorList& list, bool allow_changed) {
  CONSILIUM_ASSIGN(const std::string survivors, lines_of(list.survivors));
  const auto model = bytes_of(list.model);
  const Impl::Row row{list.key.attempt, {model.begin(), model.end()}, list.dataset, survivors};

  const std::lock_guard lock(impl_->mutex);
  CONSILIUM_TRY(impl_->check_only_list(list.key, row));  // check: ledger-one-list
  CONSILIUM_TRY(impl_->check_begun(list.key));           // check: ledger-begun
  if (!allow_changed) {
    CONSILIUM_TRY(impl_->check_same_model(list.key, row));  // check: ledger-same-model
  }
  return impl_->database->execute(
      "INSERT INTO survivor_lists(job, kind, round, attempt, model, dataset, survivors) VALUES(?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT DO NOTHING",
      session_of(list.key, {model, std::string_view(list.dataset), std::string_view(survivors)}));
}

bool Ledger::confirmed(const std::string& job_id, job::SumKind kind, std::uint32_t round) const {
  const std::lock_guard lock(impl_->mutex);
  const auto list = impl_->list_of({job_id, kind, round, 0});
  return !list || list->has_value();
}

Result<void> Ledger::keep_reply(const job::SessionKey& key, const crypto::Digest& request,
                                std::span<const std::byte> reply) {
  const std::lock_guard lock(impl_->mutex);
  CONSILIUM_TRY(impl_->check_reply(key, request, reply));  // check: ledger-one-reply
  return impl_->database->execute(
      "INSERT INTO replies(job, kind, round, attempt, request, reply) VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      session_of(key, {bytes_of(request), reply}));
}

Result<std::optional<std::vector<std::byte>>> Ledger::reply_to(const job::SessionKey& key,
                                                               const crypto::Digest& request) const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->reply(key, request);
}

fs::path Ledger::vector_file(const job::SessionKey& key) const { return impl_->file_of(key); }

Result<void> Ledger::keep_vector(const job::SessionKey& key, const crypto::Digest& digest) {
  const std::lock_guard lock(impl_->mutex);
  CONSILIUM_TRY(impl_->check_vector(key, digest));  // check: ledger-one-vector
  return impl_->database->execute(
      "INSERT INTO vectors(job, kind, round, attempt, digest) VALUES(?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      session_of(key, {bytes_of(digest)}));
}

Result<std::optional<crypto::Digest>> Ledger::kept_vector(const job::SessionKey& key) const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->vector(key);
}

Result<void> Ledger::set_members(const std::string& job_id, const std::vector<std::string>& members) {
  CONSILIUM_ASSIGN(const std::string lines, lines_of(members));
  const std::lock_guard lock(impl_->mutex);
  CONSILIUM_TRY(impl_->check_members(job_id, lines));  // check: ledger-members
  return impl_->database->execute("INSERT INTO members(job, sites) VALUES(?, ?) ON CONFLICT DO NOTHING",
                                  {std::string_view(job_id), std::string_view(lines)});
}

Result<std::optional<std::vector<std::string>>> Ledger::members(const std::string& job_id) const {
  const std::lock_guard lock(impl_->mutex);
  CONSILIUM_ASSIGN(const std::optional<std::string> lines, impl_->members(job_id));
  if (!lines) return std::nullopt;
  return names_in(*lines);
}

Result<void> Ledger::forget_session(const job::SessionKey& key) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->forget(key);
}

Result<void> Ledger::forget_job(const std::string& job_id) {
  const std::lock_guard lock(impl_->mutex);
  CONSILIUM_ASSIGN(sqlite::Rows rows,
                   impl_->database->query("SELECT job, kind, round, attempt FROM replies WHERE job = ?1 UNION "
                                          "SELECT job, kind, round, attempt FROM vectors WHERE job = ?1",
                                          {std::string_view(job_id)}));
  CONSILIUM_ASSIGN(const std::vector<job::SessionKey> keys, Impl::keys_in(std::move(rows)));
  for (const job::SessionKey& key : keys) CONSILIUM_TRY(impl_->forget(key));
  return {};
}

}  // namespace consilium::masking
