#include "coordinator/store/job_store.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <span>
#include <utility>

#include "common/wire/report_conversions.h"

namespace consilium::store {
namespace {

constexpr sqlite::Format kFormat{
    .application_id = 0x434a4f42,  // "CJOB"
    .version = 1,
    .schema = R"(
CREATE TABLE job (
  place INTEGER PRIMARY KEY AUTOINCREMENT,  -- in the order of submission
  id TEXT NOT NULL UNIQUE,
  researcher TEXT NOT NULL,
  spec TEXT NOT NULL,                       -- canonical
  initial_model BLOB NOT NULL,              -- SHA-256
  status BLOB NOT NULL,                     -- consilium.v1.JobStatus, without the history
  ended INTEGER NOT NULL,
  kept BLOB                                 -- SHA-256 of the model that fetch gives
) STRICT;
CREATE TABLE round (
  job TEXT NOT NULL,
  place INTEGER NOT NULL,                   -- in the history, from 0
  record BLOB NOT NULL,                     -- consilium.v1.RoundRecord
  PRIMARY KEY (job, place)
) STRICT, WITHOUT ROWID;
)",
    .remedy =
        "the coordinator's list of jobs is lost; move the file and its -wal and -shm files away, and start again: "
        "the sites' data and ledgers aren't affected",
};

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::span<const std::byte> bytes_of(const crypto::Digest& digest) { return std::as_bytes(std::span(digest)); }

/// Returns no digest for no bytes. kDataLoss for any other size than that of a digest.
Result<std::optional<crypto::Digest>> digest_from(const std::vector<std::byte>& bytes) {
  if (bytes.empty()) return std::optional<crypto::Digest>();
  crypto::Digest digest{};
  if (bytes.size() != digest.size())
    return fail(ErrorCode::kDataLoss,
                fmt::format("found a digest of {} bytes, expected {}", bytes.size(), digest.size()));
  std::ranges::transform(bytes, digest.begin(), [](std::byte byte) { return static_cast<std::uint8_t>(byte); });
  return std::optional(digest);
}

}  // namespace

Result<std::unique_ptr<JobStore>> JobStore::open(const std::filesystem::path& file) {
  CONSILIUM_ASSIGN(auto database, sqlite::Database::open(file, kFormat));
  return std::unique_ptr<JobStore>(new JobStore(std::move(database)));
}

Result<std::vector<JobRecord>> JobStore::load() const {
  const std::lock_guard lock(mutex_);
  std::vector<JobRecord> records;
  CONSILIUM_ASSIGN(
      sqlite::Rows rows,
      database_->query("SELECT researcher, spec, initial_model, status, ended, kept FROM job ORDER BY place"));
  while (true) {
    CONSILIUM_ASSIGN(const bool more, rows.next());
    if (!more) break;
    JobRecord record;
    record.researcher = rows.text(0);
    record.spec_text = rows.text(1);
    CONSILIUM_ASSIGN(const std::optional<crypto::Digest> initial, digest_from(rows.blob(2)));
    record.initial_model = initial.value_or(crypto::Digest{});
    auto status = wire::decode_job_status(rows.blob(3));
    if (!status) return fail(Error{ErrorCode::kDataLoss, status.error().message}.within(database_->file().string()));
    record.status = *std::move(status);
    record.ended = rows.integer(4) != 0;
    CONSILIUM_ASSIGN(record.kept, digest_from(rows.blob(5)));
    records.push_back(std::move(record));
  }
  for (JobRecord& record : records) {
    CONSILIUM_ASSIGN(record.status.history, load_rounds(record.status.job_id));
  }
  return records;
}

Result<report::History> JobStore::load_rounds(const std::string& job_id) const {
  report::History history;
  CONSILIUM_ASSIGN(sqlite::Rows rows,
                   database_->query("SELECT place, record FROM round WHERE job = ? ORDER BY place", {job_id}));
  while (true) {
    CONSILIUM_ASSIGN(const bool more, rows.next());
    if (!more) return history;
    auto record = wire::decode_round_record(rows.blob(1));
    if (!record || rows.integer(0) != static_cast<std::int64_t>(history.size())) {
      return fail(ErrorCode::kDataLoss, fmt::format("{}: round {} of job {} can't be read", database_->file().string(),
                                                    history.size(), job_id));
    }
    history.push_back(*std::move(record));
  }
}

Result<void> JobStore::save(const JobRecord& record) {
  const std::lock_guard lock(mutex_);
  const std::string& id = record.status.job_id;
  const std::string status = wire::encode(record.status);
  const auto written = database_->transact([&]() -> Result<void> {
    CONSILIUM_TRY(database_->execute(
        "INSERT INTO job (id, researcher, spec, initial_model, status, ended, kept) VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET status = excluded.status, ended = excluded.ended, kept = excluded.kept",
        {id, record.researcher, record.spec_text, bytes_of(record.initial_model), bytes_of(status),
         std::int64_t{record.ended}, record.kept ? bytes_of(*record.kept) : std::span<const std::byte>()}));
    return save_rounds(record.status);
  });
  if (!written) {
    written_.erase(id);  // the next call writes the whole history again
    return written;
  }
  written_[id] = record.status.history;
  return {};
}

Result<void> JobStore::save_rounds(const report::JobStatus& status) {
  const auto found = written_.find(status.job_id);
  for (std::size_t place = 0; place < status.history.size(); ++place) {
    if (found != written_.end() && status.history.shares(place, found->second)) continue;
    const std::string record = wire::encode(status.history[place]);
    CONSILIUM_TRY(database_->execute(
        "INSERT INTO round (job, place, record) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET record = excluded.record",
        {status.job_id, static_cast<std::int64_t>(place), bytes_of(record)}));
  }
  return {};
}

Result<void> JobStore::remove(const std::string& job_id) {
  const std::lock_guard lock(mutex_);
  written_.erase(job_id);
  return database_->transact([&]() -> Result<void> {
    CONSILIUM_TRY(database_->execute("DELETE FROM round WHERE job = ?", {job_id}));
    return database_->execute("DELETE FROM job WHERE id = ?", {job_id});
  });
}

}  // namespace consilium::store
