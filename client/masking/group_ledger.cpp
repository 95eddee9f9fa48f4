#include "client/masking/group_ledger.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "common/sqlite/database.h"

namespace consilium::masking {
namespace {

constexpr sqlite::Format kFormat{
    .application_id = 0x434c4447,  // "CLDG"
    .version = 1,
    .schema = R"(
      CREATE TABLE adverts(members TEXT NOT NULL, number INTEGER NOT NULL, digest BLOB NOT NULL CHECK(length(digest) = 32),
        PRIMARY KEY(members, number)) STRICT, WITHOUT ROWID;
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
        model BLOB NOT NULL CHECK(length(model) = 32), PRIMARY KEY(job, step)) STRICT, WITHOUT ROWID;
      CREATE TABLE ended(job BLOB PRIMARY KEY NOT NULL, step INTEGER NOT NULL, reason TEXT NOT NULL)
        STRICT, WITHOUT ROWID)",
    .remedy =
        "Don't put a backup in its place: stop the client, have the masked jobs that this site takes part in stopped, "
        "then remove sums.db, sums.db-wal and the folder sums (docs/hospital-it/masking.md)"};

using crypto::Digest;
using Group = std::vector<std::string>;

Result<void> require(bool holds, std::string why) {
  if (holds) return {};
  return fail(ErrorCode::kPermissionDenied, std::move(why));
}

std::span<const std::byte> bytes_of(const Digest& digest) { return std::as_bytes(std::span(digest)); }

/// The place of a sum in its job: the census, then each round's training and its evaluation.
std::int64_t step_of(const SumId& sum) {
  return 2 * std::int64_t{sum.round} + (sum.kind == job::SumKind::kEvaluate ? 1 : 0);
}

std::string describe(const SumId& sum) {
  return fmt::format("{} {} of job {}", job::name_of(sum.kind), sum.round, crypto::to_hex(sum.job).substr(0, 8));
}

/// A group as it is kept: each name on a line of its own. Names of sites hold no line break (config::is_name).
std::string lines_of(const Group& group) {
  std::string lines;
  for (const std::string& name : group) lines += name + '\n';
  return lines;
}

Group names_in(std::string_view lines) {
  Group names;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    names.emplace_back(lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return names;
}

Digest digest_in(const sqlite::Rows& rows, int column) {
  Digest digest{};
  std::ranges::copy(rows.blob(column), std::as_writable_bytes(std::span(digest)).begin());
  return digest;
}

}  // namespace

SumId sum_of(const job::RoundOrder& order) { return {order.job, order.kind, order.round}; }

struct GroupLedger::Impl {
  std::unique_ptr<sqlite::Database> database;
  mutable std::mutex mutex;

  Result<std::optional<std::int64_t>> number(std::string_view sql, const std::vector<sqlite::Value>& values) const {
    CONSILIUM_ASSIGN(sqlite::Rows rows, database->query(sql, values));
    CONSILIUM_ASSIGN(const bool any, rows.next());
    return any ? std::optional(rows.integer(0)) : std::nullopt;
  }

  Result<std::optional<Digest>> digest(std::string_view sql, const std::vector<sqlite::Value>& values) const {
    CONSILIUM_ASSIGN(sqlite::Rows rows, database->query(sql, values));
    CONSILIUM_ASSIGN(const bool any, rows.next());
    return any ? std::optional(digest_in(rows, 0)) : std::nullopt;
  }

  Result<std::uint64_t> next_advert(const std::string& group) const {
    CONSILIUM_ASSIGN(const auto last,
                     number("SELECT max(number) FROM adverts WHERE members = ?", {std::string_view(group)}));
    return static_cast<std::uint64_t>(last.value_or(0)) + 1;
  }

  Result<void> check_order(const SumId& sum, std::uint32_t attempt) const {
    const std::int64_t step = step_of(sum);
    CONSILIUM_ASSIGN(const auto later,
                     number("SELECT step FROM attempts WHERE job = ? AND step > ? LIMIT 1", {bytes_of(sum.job), step}));
    CONSILIUM_TRY(require(!later, fmt::format("{}: a later sum of the job has begun at this site",
                                              describe(sum))));  // check: group-sum-order
    CONSILIUM_ASSIGN(const auto last,
                     number("SELECT attempt FROM attempts WHERE job = ? AND step = ?", {bytes_of(sum.job), step}));
    return require(attempt > last.value_or(0), fmt::format("{}: attempt {} refused: attempt {} has already begun",
                                                           describe(sum), attempt, last.value_or(0)));
  }

  Result<void> check_masked(const SumId& sum, std::uint32_t attempt, const Digest& masked) const {
    CONSILIUM_ASSIGN(const auto kept, digest("SELECT masked FROM releases WHERE job = ? AND step = ? AND attempt = ?",
                                             {bytes_of(sum.job), step_of(sum), std::int64_t{attempt}}));
    return require(!kept || *kept == masked,
                   fmt::format("{}: attempt {} has masked another vector", describe(sum), attempt));
  }

  Result<bool> is_closed(const SumId& sum) const {
    CONSILIUM_ASSIGN(const auto found, number("SELECT 1 FROM commits WHERE job = ? AND step >= ? LIMIT 1",
                                              {bytes_of(sum.job), step_of(sum)}));
    return found.has_value();
  }

  Result<std::optional<std::string>> ended_before(const SumId& sum) const {
    CONSILIUM_ASSIGN(sqlite::Rows rows, database->query("SELECT reason FROM ended WHERE job = ? AND step < ?",
                                                        {bytes_of(sum.job), step_of(sum)}));
    CONSILIUM_ASSIGN(const bool any, rows.next());
    return any ? std::optional(rows.text(0)) : std::nullopt;
  }

  /// An attempt may have begun before what forbids it was recorded.
  Result<void> check_wanted(const SumId& sum) const {
    CONSILIUM_ASSIGN(const bool closed, is_closed(sum));
    CONSILIUM_TRY(require(!closed, fmt::format("{}: this sum, or a later one, is committed by now", describe(sum))));
    CONSILIUM_ASSIGN(const auto ended, ended_before(sum));
    return require(
        !ended, fmt::format("{}: this site takes no further part in the job: {}", describe(sum), ended.value_or("")));
  }

  /// The digest that stands for a sum in a table; nullopt where none does.
  Result<std::optional<Digest>> only(std::string_view table, const SumId& sum) const {
    return digest(fmt::format("SELECT digest FROM {} WHERE job = ? AND step = ?", table),
                  {bytes_of(sum.job), step_of(sum)});
  }
  /// Records the only digest that a table ever has for a sum.
  Result<void> keep_only(std::string_view table, const SumId& sum, const Digest& one, std::string_view what) const {
    CONSILIUM_ASSIGN(const auto kept, only(table, sum));
    CONSILIUM_TRY(require(!kept || *kept == one, fmt::format("{}: {}", describe(sum), what)));
    return database->execute(
        fmt::format("INSERT INTO {}(job, step, digest) VALUES(?, ?, ?) ON CONFLICT DO NOTHING", table),
        {bytes_of(sum.job), step_of(sum), bytes_of(one)});
  }

  Result<void> keep_seen(const std::string& lines, const Group& group, const std::string& self,
                         std::span<const secagg::Seen> others) const {
    std::size_t place = 0;
    for (const std::string& site : group) {
      if (site == self) continue;
      if (place == others.size()) return fail(ErrorCode::kInternal, "fewer adverts than other members");
      const secagg::Seen& one = others[place++];
      CONSILIUM_TRY(database->execute(
          "INSERT INTO seen(members, site, number, digest) VALUES(?, ?, ?, ?) ON CONFLICT DO UPDATE SET number = "
          "excluded.number, digest = excluded.digest WHERE excluded.number > number",
          {std::string_view(lines), std::string_view(site), static_cast<std::int64_t>(one.number),
           bytes_of(one.advert)}));
    }
    return {};
  }
};

GroupLedger::GroupLedger(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GroupLedger::GroupLedger(GroupLedger&&) noexcept = default;
GroupLedger& GroupLedger::operator=(GroupLedger&&) noexcept = default;
GroupLedger::~GroupLedger() = default;

Result<GroupLedger> GroupLedger::open(const std::filesystem::path& folder) {
  auto impl = std::make_unique<Impl>();
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  if (std::filesystem::exists(folder / "sums", problem) && !std::filesystem::exists(folder / "sums.db", problem)) {
    return fail(ErrorCode::kDataLoss,
                fmt::format("{}: lost, while {} is still there. {}", (folder / "sums.db").string(),
                            (folder / "sums").string(), kFormat.remedy));
  }
  CONSILIUM_ASSIGN(impl->database, sqlite::Database::open(folder / "sums.db", kFormat));
  return GroupLedger(std::move(impl));
}

Result<std::uint64_t> GroupLedger::next_advert(const Group& group) const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->next_advert(lines_of(group));
}

Result<std::vector<secagg::Seen>> GroupLedger::seen(const Group& group, const std::string& self) const {
  const std::string lines = lines_of(group);
  const std::lock_guard lock(impl_->mutex);
  std::vector<secagg::Seen> seen;
  for (const std::string& site : group) {
    if (site == self) continue;
    CONSILIUM_ASSIGN(sqlite::Rows rows,
                     impl_->database->query("SELECT number, digest FROM seen WHERE members = ? AND site = ?",
                                            {std::string_view(lines), std::string_view(site)}));
    CONSILIUM_ASSIGN(const bool any, rows.next());
    seen.push_back(any ? secagg::Seen{static_cast<std::uint64_t>(rows.integer(0)), digest_in(rows, 1)}
                       : secagg::Seen{});
  }
  return seen;
}

Result<void> GroupLedger::begin(const SumId& sum, std::uint32_t attempt, const Group& group,
                                const secagg::Seen& advert) {
  const std::string lines = lines_of(group);
  const std::lock_guard lock(impl_->mutex);
  return impl_->database->transact([&]() -> Result<void> {
    CONSILIUM_TRY(impl_->check_order(sum, attempt));  // check: group-attempt
    CONSILIUM_ASSIGN(const std::uint64_t next, impl_->next_advert(lines));
    CONSILIUM_TRY(require(advert.number == next, fmt::format("{}: advert {} of this site, expected number {}",
                                                             describe(sum), advert.number, next)));
    CONSILIUM_TRY(impl_->database->execute(
        "INSERT INTO attempts(job, step, attempt) VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET attempt = excluded.attempt",
        {bytes_of(sum.job), step_of(sum), std::int64_t{attempt}}));
    return impl_->database->execute(
        "INSERT INTO adverts(members, number, digest) VALUES(?, ?, ?)",
        {std::string_view(lines), static_cast<std::int64_t>(advert.number), bytes_of(advert.advert)});
  });
}

Result<void> GroupLedger::check_claims(const Group& group, std::span<const secagg::Seen> claims) const {
  const std::string lines = lines_of(group);
  const std::lock_guard lock(impl_->mutex);
  for (const secagg::Seen& claim : claims) {
    if (claim.number == 0) continue;
    CONSILIUM_ASSIGN(const auto own, impl_->digest("SELECT digest FROM adverts WHERE members = ? AND number = ?",
                                                   {std::string_view(lines), static_cast<std::int64_t>(claim.number)}));
    if (own && *own == claim.advert) continue;
    return fail(
        ErrorCode::kDataLoss,
        fmt::format("another member has uploaded beside advert {} of this site, which {} doesn't know: the ledger was "
                    "put back from a backup, or another machine runs under this site's name. {}",
                    claim.number, impl_->database->file().string(), kFormat.remedy));
  }
  return {};
}

Result<std::optional<Digest>> GroupLedger::vector_of(const SumId& sum) const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->only("vectors", sum);
}

Result<void> GroupLedger::release(const Release& release, const Digest& vector, const Digest& masked,
                                  const std::string& self, std::span<const secagg::Seen> others) {
  const std::string lines = lines_of(release.group);
  const std::int64_t step = step_of(release.sum);
  const std::lock_guard lock(impl_->mutex);
  return impl_->database->transact([&]() -> Result<void> {
    CONSILIUM_TRY(impl_->check_wanted(release.sum));  // check: group-release-wanted
    CONSILIUM_TRY(impl_->keep_only("vectors", release.sum, vector,
                                   "another vector of this site belongs to this sum"));  // check: group-one-vector
    CONSILIUM_TRY(impl_->check_masked(release.sum, release.attempt, masked));            // check: group-one-masked
    CONSILIUM_TRY(impl_->keep_seen(lines, release.group, self, others));                 // check: group-seen-kept
    return impl_->database->execute(
        "INSERT INTO releases(job, step, attempt, kind, round, masked, population, job_id, researcher, group_index, "
        "members, at, cohort) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        {bytes_of(release.sum.job), step, std::int64_t{release.attempt},
         std::int64_t{static_cast<int>(release.sum.kind)}, std::int64_t{release.sum.round}, bytes_of(masked),
         std::string_view(release.population), std::string_view(release.job_id), std::string_view(release.researcher),
         std::int64_t{release.group_index}, std::string_view(lines), release.at, bytes_of(release.cohort)});
  });
}

Result<bool> GroupLedger::released_under(const SumId& sum, const Digest& cohort) const {
  const std::lock_guard lock(impl_->mutex);
  CONSILIUM_ASSIGN(const auto found, impl_->number("SELECT 1 FROM releases WHERE job = ? AND step = ? AND cohort = ?",
                                                   {bytes_of(sum.job), step_of(sum), bytes_of(cohort)}));
  return found.has_value();
}

Result<void> GroupLedger::try_total(const SumId& sum, const Digest& total) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->keep_only("totals", sum, total, "this site has checked another total of this sum");
}

Result<void> GroupLedger::endorse(const SumId& sum, const Digest& statement) {
  const std::lock_guard lock(impl_->mutex);
  CONSILIUM_ASSIGN(const auto committed, impl_->only("commits", sum));
  CONSILIUM_TRY(
      require(!committed || *committed == statement, fmt::format("{}: another outcome is committed", describe(sum))));
  return impl_->keep_only("endorsed", sum, statement, "this site has signed another outcome of this sum");
}

Result<void> GroupLedger::commit(const SumId& sum, const Digest& statement, const Digest& model) {
  const std::lock_guard lock(impl_->mutex);
  CONSILIUM_ASSIGN(const auto endorsed, impl_->only("endorsed", sum));
  CONSILIUM_TRY(require(!endorsed || *endorsed == statement,
                        fmt::format("{}: this site has signed another outcome than the committed one",
                                    describe(sum))));  // check: group-commit-own
  CONSILIUM_ASSIGN(const auto committed, impl_->only("commits", sum));
  CONSILIUM_TRY(require(!committed || *committed == statement,
                        fmt::format("{}: another outcome is committed", describe(sum))));  // check: group-commit-once
  return impl_->database->execute(
      "INSERT INTO commits(job, step, digest, model) VALUES(?, ?, ?, ?) ON CONFLICT DO NOTHING",
      {bytes_of(sum.job), step_of(sum), bytes_of(statement), bytes_of(model)});
}

Result<bool> GroupLedger::is_closed(const SumId& sum) const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->is_closed(sum);
}

Result<std::optional<Digest>> GroupLedger::committed_model(const SumId& sum) const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->digest("SELECT model FROM commits WHERE job = ? AND step = ?", {bytes_of(sum.job), step_of(sum)});
}

Result<void> GroupLedger::end_after(const SumId& last, const std::string& reason) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->database->execute("INSERT INTO ended(job, step, reason) VALUES(?, ?, ?) ON CONFLICT DO NOTHING",
                                  {bytes_of(last.job), step_of(last), std::string_view(reason)});
}

Result<void> GroupLedger::end_job(const Digest& job, const std::string& reason) {
  const std::lock_guard lock(impl_->mutex);
  return impl_->database->execute(
      "INSERT INTO ended(job, step, reason) VALUES(?, -1, ?) ON CONFLICT DO UPDATE SET step = -1",
      {bytes_of(job), std::string_view(reason)});
}

Result<std::optional<std::string>> GroupLedger::ended_before(const SumId& sum) const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->ended_before(sum);
}

Result<std::vector<Release>> GroupLedger::releases() const {
  const std::lock_guard lock(impl_->mutex);
  CONSILIUM_ASSIGN(
      sqlite::Rows rows,
      impl_->database->query(
          "SELECT population, job, kind, round, attempt, job_id, researcher, group_index, members, at, cohort "
          "FROM releases ORDER BY at, job, step, attempt"));
  std::vector<Release> releases;
  for (;;) {
    CONSILIUM_ASSIGN(const bool any, rows.next());
    if (!any) return releases;
    Release one;
    one.population = rows.text(0);
    one.sum = {digest_in(rows, 1), static_cast<job::SumKind>(rows.integer(2)),
               static_cast<std::uint32_t>(rows.integer(3))};
    one.attempt = static_cast<std::uint32_t>(rows.integer(4));
    one.job_id = rows.text(5);
    one.researcher = rows.text(6);
    one.group_index = static_cast<std::uint32_t>(rows.integer(7));
    one.group = names_in(rows.text(8));
    one.at = rows.integer(9);
    one.cohort = digest_in(rows, 10);
    releases.push_back(std::move(one));
  }
}

Result<std::uint64_t> GroupLedger::sums_given(const std::string& population) const {
  const std::lock_guard lock(impl_->mutex);
  CONSILIUM_ASSIGN(const auto count,
                   impl_->number("SELECT count(*) FROM (SELECT DISTINCT job, step FROM releases WHERE population = ?)",
                                 {std::string_view(population)}));
  return static_cast<std::uint64_t>(count.value_or(0));
}

Result<std::vector<Group>> GroupLedger::groups(const std::string& population) const {
  const std::lock_guard lock(impl_->mutex);
  CONSILIUM_ASSIGN(sqlite::Rows rows,
                   impl_->database->query("SELECT DISTINCT members FROM releases WHERE population = ? ORDER BY members",
                                          {std::string_view(population)}));
  std::vector<Group> groups;
  for (;;) {
    CONSILIUM_ASSIGN(const bool any, rows.next());
    if (!any) return groups;
    groups.push_back(names_in(rows.text(0)));
  }
}

}  // namespace consilium::masking
