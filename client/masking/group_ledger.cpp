#include "client/masking/group_ledger.h"

#include <spdlog/fmt/fmt.h>

#include <mutex>
#include <utility>

#include "client/masking/group_records.h"

namespace consilium::masking {

using crypto::Digest;
using Group = std::vector<std::string>;

namespace {

Result<std::uint64_t> next_number(const GroupRecords& records, const std::string& group) {
  CONSILIUM_ASSIGN(const auto last,
                   records.number("SELECT max(number) FROM adverts WHERE members = ?", {std::string_view(group)}));
  return static_cast<std::uint64_t>(last.value_or(0)) + 1;
}

Result<void> check_order(const GroupRecords& records, const SumId& sum, std::uint32_t attempt) {
  const std::int64_t step = step_of(sum);
  CONSILIUM_ASSIGN(const auto later, records.number("SELECT step FROM attempts WHERE job = ? AND step > ? LIMIT 1",
                                                    {bytes_of(sum.job), step}));
  CONSILIUM_TRY(require(!later, fmt::format("{}: a later sum of the job has begun at this site",
                                            describe(sum))));  // check: group-sum-order
  CONSILIUM_ASSIGN(const auto last, records.number("SELECT attempt FROM attempts WHERE job = ? AND step = ?",
                                                   {bytes_of(sum.job), step}));
  return require(attempt > last.value_or(0), fmt::format("{}: attempt {} refused: attempt {} has already begun",
                                                         describe(sum), attempt, last.value_or(0)));
}

/// Checks that the members of a group don't know more about this site than its ledger does. Such a group is closed
/// until this site has adopted their ledgers.
Result<void> check_up_to_date(const GroupRecords& records, const std::string& lines) {
  CONSILIUM_ASSIGN(sqlite::Rows rows,
                   records.database->query("SELECT reason FROM set_back WHERE members = ?", {std::string_view(lines)}));
  CONSILIUM_ASSIGN(const bool any, rows.next());
  return require(!any, any ? rows.text(0) : "");
}

Result<void> check_masked(const GroupRecords& records, const SumId& sum, std::uint32_t attempt, const Digest& masked) {
  CONSILIUM_ASSIGN(const auto kept,
                   records.digest("SELECT masked FROM releases WHERE job = ? AND step = ? AND attempt = ?",
                                  {bytes_of(sum.job), step_of(sum), std::int64_t{attempt}}));
  return require(!kept || *kept == masked,
                 fmt::format("{}: attempt {} has already masked another vector", describe(sum), attempt));
}

/// Checks that the sum is still wanted: an attempt may have begun before the ledger recorded what forbids it.
Result<void> check_wanted(const GroupRecords& records, const SumId& sum) {
  CONSILIUM_ASSIGN(const bool closed, records.is_closed(sum));
  CONSILIUM_TRY(require(!closed, fmt::format("{}: this sum or a later one is already committed", describe(sum))));
  CONSILIUM_ASSIGN(const auto ended, records.ended(sum.job));
  return require(!ended,
                 fmt::format("{}: this site takes no further part in the job: {}", describe(sum), ended.value_or("")));
}

Result<void> keep_seen(const GroupRecords& records, const std::string& lines, const Group& group,
                       const std::string& self, std::span<const secagg::Seen> others) {
  std::size_t place = 0;
  for (const std::string& site : group) {
    if (site == self) continue;
    if (place == others.size()) return fail(ErrorCode::kInternal, "fewer adverts than other members");
    CONSILIUM_TRY(records.keep_seen(lines, site, others[place++]));
  }
  return {};
}

}  // namespace

SumId sum_of(const job::RoundOrder& order) { return {order.job, order.kind, order.round}; }

GroupLedger::GroupLedger(std::unique_ptr<GroupRecords> records) : records_(std::move(records)) {}
GroupLedger::GroupLedger(GroupLedger&&) noexcept = default;
GroupLedger& GroupLedger::operator=(GroupLedger&&) noexcept = default;
GroupLedger::~GroupLedger() = default;

Result<GroupLedger> GroupLedger::open(const std::filesystem::path& folder) {
  CONSILIUM_ASSIGN(auto records, GroupRecords::open(folder));
  return GroupLedger(std::move(records));
}

Result<std::uint64_t> GroupLedger::next_advert(const Group& group) const {
  const std::lock_guard lock(records_->mutex);
  return next_number(*records_, lines_of(group));
}

Result<std::vector<secagg::Seen>> GroupLedger::seen(const Group& group, const std::string& self) const {
  const std::lock_guard lock(records_->mutex);
  return records_->seen(group, self);
}

Result<void> GroupLedger::begin(const SumId& sum, std::uint32_t attempt, const Group& group,
                                const secagg::Seen& advert) {
  const std::string lines = lines_of(group);
  const std::lock_guard lock(records_->mutex);
  return records_->database->transact([&]() -> Result<void> {
    CONSILIUM_TRY(check_up_to_date(*records_, lines));    // check: group-set-back
    CONSILIUM_TRY(check_order(*records_, sum, attempt));  // check: group-attempt
    CONSILIUM_ASSIGN(const std::uint64_t next, next_number(*records_, lines));
    CONSILIUM_TRY(require(advert.number == next, fmt::format("{}: found advert {} of this site, expected number {}",
                                                             describe(sum), advert.number, next)));
    CONSILIUM_TRY(records_->database->execute(
        "INSERT INTO attempts(job, step, attempt) VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET attempt = excluded.attempt",
        {bytes_of(sum.job), step_of(sum), std::int64_t{attempt}}));
    return records_->database->execute(
        "INSERT INTO adverts(members, number, digest) VALUES(?, ?, ?)",
        {std::string_view(lines), static_cast<std::int64_t>(advert.number), bytes_of(advert.advert)});
  });
}

Result<void> GroupLedger::check_claims(const Group& group, std::span<const secagg::Seen> claims) const {
  const std::string lines = lines_of(group);
  const std::lock_guard lock(records_->mutex);
  for (const secagg::Seen& claim : claims) {
    if (claim.number == 0) continue;
    CONSILIUM_ASSIGN(
        const auto own,
        records_->number("SELECT 1 FROM adverts WHERE members = ? AND number = ? AND digest = ?",
                         {std::string_view(lines), static_cast<std::int64_t>(claim.number), bytes_of(claim.advert)}));
    if (own) continue;
    return fail(
        ErrorCode::kDataLoss,
        fmt::format(
            "another member has uploaded under advert {} of this site, which {} doesn't contain: the ledger was put "
            "back from a backup, or another machine runs under this site's name. Stop the client, and update its "
            "ledger from those of the other members: consilium-client ledger request (docs/hospital-it/masking.md)",
            claim.number, records_->database->file().string()));
  }
  return {};
}

Result<void> GroupLedger::set_back(const Group& group, const std::string& reason) {
  const std::string lines = lines_of(group);
  const std::lock_guard lock(records_->mutex);
  return records_->database->execute("INSERT INTO set_back(members, reason) VALUES(?, ?) ON CONFLICT DO NOTHING",
                                     {std::string_view(lines), std::string_view(reason)});
}

Result<JobData> GroupLedger::fix_data(const Digest& job, const JobData& now) {
  const std::lock_guard lock(records_->mutex);
  CONSILIUM_ASSIGN(sqlite::Rows rows, records_->database->query(
                                          "SELECT train, val, test, digest FROM data WHERE job = ?", {bytes_of(job)}));
  CONSILIUM_ASSIGN(const bool any, rows.next());
  const auto count = [&rows](int column) { return static_cast<std::uint64_t>(rows.integer(column)); };
  if (any) return JobData{count(0), count(1), count(2), digest_in(rows, 3)};
  CONSILIUM_TRY(records_->database->execute(
      "INSERT INTO data(job, train, val, test, digest) VALUES(?, ?, ?, ?, ?)",
      {bytes_of(job), static_cast<std::int64_t>(now.train), static_cast<std::int64_t>(now.val),
       static_cast<std::int64_t>(now.test), bytes_of(now.digest)}));  // check: data-recorded
  return now;
}

Result<std::optional<Digest>> GroupLedger::vector_of(const SumId& sum) const {
  const std::lock_guard lock(records_->mutex);
  return records_->only("vectors", sum);
}

Result<void> GroupLedger::release(const Release& release, const Digest& vector, const Digest& masked,
                                  const std::string& self, std::span<const secagg::Seen> others) {
  const std::string lines = lines_of(release.group);
  const std::int64_t step = step_of(release.sum);
  const std::lock_guard lock(records_->mutex);
  return records_->database->transact([&]() -> Result<void> {
    CONSILIUM_TRY(check_wanted(*records_, release.sum));  // check: group-release-wanted
    CONSILIUM_TRY(records_->keep_only("vectors", release.sum, vector,
                                      "another vector of this site belongs to this sum"));  // check: group-one-vector
    CONSILIUM_TRY(check_masked(*records_, release.sum, release.attempt, masked));           // check: group-one-masked
    CONSILIUM_TRY(keep_seen(*records_, lines, release.group, self, others));                // check: group-seen-kept
    return records_->database->execute(
        "INSERT INTO releases(job, step, attempt, kind, round, masked, population, job_id, researcher, group_index, "
        "members, at, cohort) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        {bytes_of(release.sum.job), step, std::int64_t{release.attempt},
         std::int64_t{static_cast<int>(release.sum.kind)}, std::int64_t{release.sum.round}, bytes_of(masked),
         std::string_view(release.population), std::string_view(release.job_id), std::string_view(release.researcher),
         std::int64_t{release.group_index}, std::string_view(lines), release.at, bytes_of(release.cohort)});
  });
}

Result<bool> GroupLedger::released_under(const SumId& sum, const Digest& cohort) const {
  const std::lock_guard lock(records_->mutex);
  CONSILIUM_ASSIGN(const auto found,
                   records_->number("SELECT 1 FROM releases WHERE job = ? AND step = ? AND cohort = ?",
                                    {bytes_of(sum.job), step_of(sum), bytes_of(cohort)}));
  return found.has_value();
}

Result<std::vector<Release>> GroupLedger::releases() const {
  const std::lock_guard lock(records_->mutex);
  CONSILIUM_ASSIGN(
      sqlite::Rows rows,
      records_->database->query(
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
  const std::lock_guard lock(records_->mutex);
  CONSILIUM_ASSIGN(
      const auto count,
      records_->number("SELECT count(*) FROM (SELECT DISTINCT job, step FROM releases WHERE population = ?)",
                       {std::string_view(population)}));
  return static_cast<std::uint64_t>(count.value_or(0));
}

Result<std::vector<Group>> GroupLedger::groups(const std::string& population) const {
  const std::lock_guard lock(records_->mutex);
  CONSILIUM_ASSIGN(sqlite::Rows rows, records_->database->query(
                                          "SELECT DISTINCT members FROM releases WHERE population = ? ORDER BY members",
                                          {std::string_view(population)}));
  std::vector<Group> groups;
  for (;;) {
    CONSILIUM_ASSIGN(const bool any, rows.next());
    if (!any) return groups;
    groups.push_back(names_in(rows.text(0)));
  }
}

}  // namespace consilium::masking
