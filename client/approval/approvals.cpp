#include "client/approval/approvals.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "common/sqlite/database.h"

namespace consilium::approval {
namespace {

constexpr sqlite::Format kFormat{
    .application_id = 0x43415056,  // "CAPV"
    .version = 1,
    .schema = R"(
      CREATE TABLE offers(digest BLOB NOT NULL CHECK(length(digest) = 32), researcher TEXT NOT NULL,
        job TEXT NOT NULL, spec TEXT NOT NULL, seen_at INTEGER NOT NULL,
        PRIMARY KEY(digest, researcher)) STRICT, WITHOUT ROWID;
      CREATE TABLE decisions(number INTEGER PRIMARY KEY AUTOINCREMENT,
        digest BLOB NOT NULL CHECK(length(digest) = 32), researcher TEXT NOT NULL,
        approved INTEGER NOT NULL CHECK(approved IN (0, 1)), person TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
      CREATE INDEX decisions_of_a_job ON decisions(digest, researcher, number);
      CREATE TABLE accepted(digest BLOB PRIMARY KEY NOT NULL CHECK(length(digest) = 32), job TEXT UNIQUE NOT NULL,
        population TEXT NOT NULL, sums INTEGER NOT NULL CHECK(sums >= 0)) STRICT, WITHOUT ROWID;
      CREATE INDEX sums_of_a_population ON accepted(population, sums))",
    .remedy =
        "Don't restore it from a backup, which would lack decisions and sums. Stop the client, keep the file, and ask "
        "the consortium's certificate authority (docs/hospital-it/approving.md)"};

constexpr std::string_view kUndecided =
    "NOT EXISTS(SELECT 1 FROM decisions d WHERE d.digest = offers.digest AND d.researcher = offers.researcher) "
    "AND NOT EXISTS(SELECT 1 FROM accepted a WHERE a.digest = offers.digest)";

std::span<const std::byte> bytes_of(const crypto::Digest& digest) { return std::as_bytes(std::span(digest)); }

crypto::Digest digest_in(const std::vector<std::byte>& bytes) {
  crypto::Digest digest{};
  std::transform(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(std::min(bytes.size(), digest.size())),
                 digest.begin(), [](std::byte byte) { return std::to_integer<std::uint8_t>(byte); });
  return digest;
}

Decision decision_in(const sqlite::Rows& row) {
  return {{digest_in(row.blob(0)), row.text(1)}, row.integer(2) == 1, row.text(3), row.integer(4)};
}

Accepted accepted_in(const sqlite::Rows& row) {
  return {digest_in(row.blob(0)), row.text(1), row.text(2), static_cast<std::uint64_t>(row.integer(3))};
}

}  // namespace

struct Approvals::Impl {
  std::unique_ptr<sqlite::Database> database;
  mutable std::mutex mutex;

  /// Returns the single number that a query yields; 0 if it yields no row.
  Result<std::int64_t> number(std::string_view sql, const std::vector<sqlite::Value>& values = {}) const {
    CONSILIUM_ASSIGN(sqlite::Rows rows, database->query(sql, values));
    CONSILIUM_ASSIGN(const bool any, rows.next());
    return any ? rows.integer(0) : 0;
  }

  Result<std::optional<Accepted>> accepted_where(std::string_view condition, const sqlite::Value& value) const {
    const std::string sql = fmt::format("SELECT digest, job, population, sums FROM accepted WHERE {} = ?", condition);
    CONSILIUM_ASSIGN(sqlite::Rows rows, database->query(sql, {value}));
    CONSILIUM_ASSIGN(const bool any, rows.next());
    return any ? std::optional(accepted_in(rows)) : std::nullopt;
  }

  Result<std::uint64_t> counted_as(const std::string& name) const {
    CONSILIUM_ASSIGN(const std::int64_t sums,
                     number("SELECT coalesce(sum(sums), 0) FROM accepted WHERE population = ?", {name}));
    return static_cast<std::uint64_t>(sums);
  }

  Result<std::uint64_t> sums_of(const std::string& population, const CountedBefore& before) const {
    CONSILIUM_ASSIGN(std::uint64_t sums, counted_as(population));
    for (const std::string& dataset : before.datasets) {
      if (dataset == population) continue;
      CONSILIUM_ASSIGN(const std::uint64_t more, counted_as(dataset));
      sums += more;  // check: sums-of-datasets
    }
    if (sums < before.given) sums = before.given;  // check: sums-given
    return sums;
  }
};

Approvals::Approvals(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Approvals::~Approvals() = default;

Result<std::unique_ptr<Approvals>> Approvals::open(const std::filesystem::path& state_dir) {
  auto impl = std::make_unique<Impl>();
  CONSILIUM_ASSIGN(impl->database, sqlite::Database::open(state_dir / "approvals.db", kFormat));
  return std::unique_ptr<Approvals>(new Approvals(std::move(impl)));
}

Result<void> Approvals::keep(const Offer& offer) {
  const std::scoped_lock lock(impl_->mutex);
  const std::string count =
      fmt::format("SELECT count(*) FROM offers WHERE NOT (digest = ? AND researcher = ?) AND {}", kUndecided);
  CONSILIUM_ASSIGN(const std::int64_t waiting,
                   impl_->number(count, {bytes_of(offer.job.digest), offer.job.researcher}));
  if (static_cast<std::size_t>(waiting) >= kMaxWaitingOffers) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("{} jobs already wait for approval; approve or decline some of them", waiting));
  }
  return impl_->database->execute(
      "INSERT INTO offers(digest, researcher, job, spec, seen_at) VALUES(?, ?, ?, ?, ?) "
      "ON CONFLICT(digest, researcher) DO UPDATE SET job = excluded.job "
      "WHERE NOT EXISTS(SELECT 1 FROM accepted a WHERE a.digest = offers.digest)",
      {bytes_of(offer.job.digest), offer.job.researcher, offer.job_id, offer.spec, offer.seen_at});
}

Result<bool> Approvals::has_seen(const SignedJob& job) const {
  const std::scoped_lock lock(impl_->mutex);
  CONSILIUM_ASSIGN(const std::int64_t count,
                   impl_->number("SELECT count(*) FROM offers WHERE digest = ? AND researcher = ?",
                                 {bytes_of(job.digest), job.researcher}));
  return count > 0;
}

Result<std::vector<Offer>> Approvals::offers() const {
  const std::scoped_lock lock(impl_->mutex);
  CONSILIUM_ASSIGN(sqlite::Rows rows,
                   impl_->database->query("SELECT digest, researcher, job, spec, seen_at FROM offers "
                                          "ORDER BY seen_at, job, digest"));
  std::vector<Offer> offers;
  while (true) {
    CONSILIUM_ASSIGN(const bool any, rows.next());
    if (!any) return offers;
    offers.push_back({{digest_in(rows.blob(0)), rows.text(1)}, rows.text(2), rows.text(3), rows.integer(4)});
  }
}

Result<void> Approvals::withdraw(const std::string& job_id) {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->database->execute(fmt::format("DELETE FROM offers WHERE job = ? AND {}", kUndecided), {job_id});
}

Result<void> Approvals::decide(const Decision& decision) {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->database->execute(
      "INSERT INTO decisions(digest, researcher, approved, person, at) VALUES(?, ?, ?, ?, ?)",
      {bytes_of(decision.job.digest), decision.job.researcher, std::int64_t{decision.approved ? 1 : 0}, decision.by,
       decision.at});
}

Result<std::optional<Decision>> Approvals::decision(const SignedJob& job) const {
  const std::scoped_lock lock(impl_->mutex);
  CONSILIUM_ASSIGN(sqlite::Rows rows,
                   impl_->database->query("SELECT digest, researcher, approved, person, at FROM decisions "
                                          "WHERE digest = ? AND researcher = ? ORDER BY number DESC LIMIT 1",
                                          {bytes_of(job.digest), job.researcher}));
  CONSILIUM_ASSIGN(const bool any, rows.next());
  return any ? std::optional(decision_in(rows)) : std::nullopt;
}

Result<std::vector<Decision>> Approvals::decisions() const {
  const std::scoped_lock lock(impl_->mutex);
  CONSILIUM_ASSIGN(
      sqlite::Rows rows,
      impl_->database->query("SELECT digest, researcher, approved, person, at FROM decisions ORDER BY number"));
  std::vector<Decision> decisions;
  while (true) {
    CONSILIUM_ASSIGN(const bool any, rows.next());
    if (!any) return decisions;
    decisions.push_back(decision_in(rows));
  }
}

Result<void> Approvals::accept(const Accepted& job, std::optional<std::uint64_t> maximum, const CountedBefore& before) {
  const std::scoped_lock lock(impl_->mutex);
  CONSILIUM_ASSIGN(const auto known, impl_->accepted_where("digest", bytes_of(job.digest)));
  if (known && known->job_id == job.job_id) return {};
  if (known) {
    return fail(ErrorCode::kAlreadyExists,
                fmt::format("this site already serves this job as {}, and doesn't serve it under a second id; to run "
                            "it again, its researcher has to change the seed",
                            known->job_id));  // check: first-id
  }
  CONSILIUM_ASSIGN(const auto other, impl_->accepted_where("job", std::string_view(job.job_id)));
  if (other) {
    return fail(ErrorCode::kAlreadyExists, fmt::format("this site already serves another job ({}) as {}",
                                                       crypto::to_hex(other->digest), job.job_id));
  }
  CONSILIUM_ASSIGN(const std::uint64_t counted, impl_->sums_of(job.population, before));
  if (maximum && (counted > *maximum || job.sums > *maximum - counted)) {
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("maximum_sums: the job needs {} sums over '{}', but {} of {} are already used", job.sums,
                            job.population, counted, *maximum));  // check: maximum-sums
  }
  return impl_->database->execute(
      "INSERT INTO accepted(digest, job, population, sums) VALUES(?, ?, ?, ?)",
      {bytes_of(job.digest), job.job_id, job.population, static_cast<std::int64_t>(job.sums)});
}

Result<std::optional<Accepted>> Approvals::accepted(const crypto::Digest& digest) const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->accepted_where("digest", bytes_of(digest));
}

Result<std::optional<Accepted>> Approvals::accepted_as(const std::string& job_id) const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->accepted_where("job", std::string_view(job_id));
}

Result<std::uint64_t> Approvals::sums_of(const std::string& population, const CountedBefore& before) const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->sums_of(population, before);
}

}  // namespace consilium::approval
