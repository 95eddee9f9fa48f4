#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "client/masking/group_ledger.h"
#include "client/masking/group_records.h"

namespace consilium::masking {

using crypto::Digest;
using Group = std::vector<std::string>;

namespace {

bool has(const Group& group, const std::string& site) { return std::binary_search(group.begin(), group.end(), site); }

Result<secagg::Seen> last_advert(const GroupRecords& records, const std::string& lines) {
  CONSILIUM_ASSIGN(sqlite::Rows rows, records.database->query("SELECT number, digest FROM adverts WHERE members = ? "
                                                              "ORDER BY number DESC LIMIT 1",
                                                              {std::string_view(lines)}));
  CONSILIUM_ASSIGN(const bool any, rows.next());
  return any ? secagg::Seen{static_cast<std::uint64_t>(rows.integer(0)), digest_in(rows, 1)} : secagg::Seen{};
}

/// Adds one of this site's adverts. Two adverts can have the same number if the members have seen both.
Result<void> keep_advert(const GroupRecords& records, const std::string& lines, const secagg::Seen& advert) {
  return records.database->execute(
      "INSERT INTO adverts(members, number, digest) VALUES(?, ?, ?) ON CONFLICT DO NOTHING",
      {std::string_view(lines), static_cast<std::int64_t>(advert.number), bytes_of(advert.advert)});
}

/// Selects every job that is in any table.
constexpr std::string_view kJobs =
    "SELECT job FROM attempts UNION SELECT job FROM vectors UNION SELECT job FROM releases UNION SELECT job FROM "
    "totals "
    "UNION SELECT job FROM endorsed UNION SELECT job FROM commits UNION SELECT job FROM data UNION SELECT job FROM "
    "data UNION SELECT job FROM ended";

Result<std::vector<Digest>> jobs_of(const sqlite::Database& database) {
  CONSILIUM_ASSIGN(sqlite::Rows rows, database.query(kJobs));
  std::vector<Digest> jobs;
  for (;;) {
    CONSILIUM_ASSIGN(const bool any, rows.next());
    if (!any) return jobs;
    jobs.push_back(digest_in(rows, 0));
  }
}

/// Returns the groups including `member` that this site has any record of.
Result<std::set<Group>> groups_with(const sqlite::Database& database, const std::string& member) {
  CONSILIUM_ASSIGN(sqlite::Rows rows, database.query("SELECT members FROM adverts UNION SELECT members FROM seen UNION "
                                                     "SELECT members FROM releases"));
  std::set<Group> groups;
  for (;;) {
    CONSILIUM_ASSIGN(const bool any, rows.next());
    if (!any) return groups;
    Group group = names_in(rows.text(0));
    if (has(group, member)) groups.insert(std::move(group));
  }
}

/// A job's population, and the number of its sums that this site has given vectors to in groups with the asking member.
struct Given {
  std::string population;
  std::uint32_t shared = 0;
};

Result<std::map<Digest, Given>> given_with(const sqlite::Database& database, const std::string& member) {
  CONSILIUM_ASSIGN(sqlite::Rows rows, database.query("SELECT DISTINCT job, step, members, population FROM releases"));
  std::map<Digest, Given> given;
  for (;;) {
    CONSILIUM_ASSIGN(const bool any, rows.next());
    if (!any) return given;
    Given& one = given[digest_in(rows, 0)];
    if (!has(names_in(rows.text(2)), member)) continue;
    one.population = rows.text(3);
    ++one.shared;
  }
}

}  // namespace

void add_jobs(LedgerContent& content, const std::vector<Digest>& jobs) {
  std::set<Digest> known;
  for (const JobContent& one : content.jobs) known.insert(one.job);
  for (const Digest& job : jobs) {
    if (known.insert(job).second) content.jobs.push_back({job, "", 0});
  }
  std::ranges::sort(content.jobs, {}, &JobContent::job);
}

Result<LedgerContent> GroupLedger::content_for(const std::string& member, const std::string& self) const {
  LedgerContent content;
  const std::lock_guard lock(records_->mutex);
  CONSILIUM_ASSIGN(const std::set<Group> groups, groups_with(*records_->database, member));
  for (const Group& group : groups) {
    GroupContent one{.members = group, .own = {}, .seen = {}};
    CONSILIUM_ASSIGN(one.own, last_advert(*records_, lines_of(group)));
    CONSILIUM_ASSIGN(one.seen, records_->seen(group, self));
    content.groups.push_back(std::move(one));
  }
  CONSILIUM_ASSIGN(const auto given, given_with(*records_->database, member));
  CONSILIUM_ASSIGN(const std::vector<Digest> jobs, jobs_of(*records_->database));
  for (const Digest& job : jobs) {
    const auto found = given.find(job);
    if (found == given.end()) {
      content.jobs.push_back({job, "", 0});
    } else if (found->second.shared > 0) {  // otherwise this site gave vectors only in other groups
      content.jobs.push_back({job, found->second.population, found->second.shared});
    }
  }
  std::ranges::sort(content.jobs, {}, &JobContent::job);
  return content;
}

Result<void> GroupLedger::adopt(const Adoption& adoption) {
  const std::lock_guard lock(records_->mutex);
  return records_->database->transact([&]() -> Result<void> {
    for (const Adoption::Advert& one : adoption.own)
      CONSILIUM_TRY(keep_advert(*records_, lines_of(one.group), one.advert));  // check: adopt-adverts
    for (const Adoption::Advert& one : adoption.others)
      CONSILIUM_TRY(records_->keep_seen(lines_of(one.group), one.site, one.advert));  // check: adopt-seen
    CONSILIUM_ASSIGN(std::vector<Digest> jobs, jobs_of(*records_->database));
    for (const JobContent& one : adoption.jobs) jobs.push_back(one.job);
    for (const Digest& job : jobs) CONSILIUM_TRY(records_->end_job(job, adoption.reason));  // check: adopt-jobs
    return records_->database->execute("DELETE FROM set_back");
  });
}

}  // namespace consilium::masking
