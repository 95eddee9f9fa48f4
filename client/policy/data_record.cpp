#include "client/policy/data_record.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "client/policy/data_place.h"
#include "common/sqlite/database.h"

namespace consilium::policy {
namespace {

constexpr sqlite::Format kFormat{
    .application_id = 0x43445354,  // "CDST"
    .version = 1,
    .schema = R"(
      CREATE TABLE names(dataset TEXT PRIMARY KEY NOT NULL, population TEXT NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE paths(path TEXT PRIMARY KEY NOT NULL, population TEXT NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE files(inode INTEGER NOT NULL, born INTEGER NOT NULL, population TEXT NOT NULL, path TEXT NOT NULL,
        PRIMARY KEY(inode, born)) STRICT, WITHOUT ROWID)",
    .remedy =
        "Stop the client, check that client.yaml's data sets have the same folders in the same populations as before, "
        "then remove datasets.db and datasets.db-wal (docs/hospital-it/data.md)"};

/// A data set in client.yaml with the population that the roster gives it.
struct Claimed {
  std::string dataset;
  std::string population;
  DataPlace place;
};

tl::unexpected<Error> refuse(const std::string& dataset, const std::string& why) {
  return fail(ErrorCode::kFailedPrecondition, fmt::format("client.yaml: datasets.{}.path: {}", dataset, why));
}

Result<std::vector<Claimed>> find_claims(const DataPaths& datasets, const roster::Roster& roster,
                                         const std::string& wanted) {
  std::vector<Claimed> claims;
  for (const auto& [dataset, path] : datasets) {
    const roster::Population* population = roster::population_of(roster, dataset);
    if (population == nullptr) continue;  // no job runs on it
    auto place = data_place(path);
    const bool missing = !place && place.error().code == ErrorCode::kNotFound;
    if (missing && !wanted.empty() && dataset != wanted) continue;  // a job on it would be another offer
    if (!place) return fail(place.error().within(fmt::format("client.yaml: datasets.{}.path", dataset)));
    claims.push_back({dataset, population->name, *std::move(place)});
  }
  return claims;
}

Result<void> check_pair(const Claimed& one, const Claimed& other) {
  const auto overlap = [&](const std::string& how) {
    return refuse(
        one.dataset,
        fmt::format(
            "{}, but '{}' belongs to the population '{}' and '{}' to '{}', and no patient may be in sums of two "
            "populations. Give each population its own data, or have one population of the roster list both names",
            how, one.dataset, one.population, other.dataset, other.population));
  };
  if (lies_within(one.place.path, other.place.path))
    return overlap(fmt::format("{} and {} (datasets.{}) overlap", one.place.path.string(), other.place.path.string(),
                               other.dataset));  // check: data-path
  std::vector<FileMark> both;
  std::ranges::set_intersection(one.place.marks, other.place.marks, std::back_inserter(both));
  if (!both.empty())
    return overlap(fmt::format("{} is the same file or folder as {} (datasets.{})",
                               find_mark(one.place, both[0]).string(), find_mark(other.place, both[0]).string(),
                               other.dataset));  // check: data-file
  return {};
}

Result<void> check_pairs(const std::vector<Claimed>& claims) {
  for (std::size_t i = 0; i < claims.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (claims[i].population != claims[j].population) CONSILIUM_TRY(check_pair(claims[i], claims[j]));
    }
  }
  return {};
}

}  // namespace

struct DataRecord::Impl {
  std::unique_ptr<sqlite::Database> database;
  std::map<std::string, Claimed> recorded;  ///< by data set, as last recorded by this process

  /// Avoids writing a data set of a million files again at every offer.
  [[nodiscard]] bool is_recorded(const Claimed& claim) const {
    const auto found = recorded.find(claim.dataset);
    return found != recorded.end() && found->second.population == claim.population &&
           found->second.place.path == claim.place.path && found->second.place.marks == claim.place.marks;
  }

  /// A recorded path and its population.
  struct Known {
    std::string path;
    std::string population;
  };

  Result<std::optional<Known>> known(std::string_view sql, const std::vector<sqlite::Value>& values) const {
    CONSILIUM_ASSIGN(sqlite::Rows rows, database->query(sql, values));
    CONSILIUM_ASSIGN(const bool any, rows.next());
    return any ? std::optional(Known{rows.text(0), rows.text(1)}) : std::nullopt;
  }

  Result<std::vector<Known>> paths() const {
    CONSILIUM_ASSIGN(sqlite::Rows rows, database->query("SELECT path, population FROM paths"));
    std::vector<Known> paths;
    for (;;) {
      CONSILIUM_ASSIGN(const bool any, rows.next());
      if (!any) return paths;
      paths.push_back({rows.text(0), rows.text(1)});
    }
  }

  static tl::unexpected<Error> moved(const Claimed& claim, const std::string& what, const Known& known) {
    return refuse(claim.dataset,
                  fmt::format("{} belongs permanently to the population '{}', under which this site once configured it "
                              "({}), but '{}' now belongs to the population '{}'. Configure data for this name that no "
                              "other population ever had, or have the roster list it under '{}'",
                              what, known.population, known.path, claim.dataset, claim.population, known.population));
  }

  Result<void> check_name(const Claimed& claim) const {
    CONSILIUM_ASSIGN(const auto before, known("SELECT dataset, population FROM names WHERE dataset = ?",
                                              {std::string_view(claim.dataset)}));
    if (before && before->population != claim.population) return moved(claim, "the name", *before);
    return {};
  }

  static Result<void> check_path(const Claimed& claim, const std::vector<Known>& before) {
    for (const Known& one : before) {
      if (one.population != claim.population && lies_within(one.path, claim.place.path))
        return moved(claim, claim.place.path.string(), one);
    }
    return {};
  }

  /// Checks files by inode number and creation time, so that a moved or linked file is recognised. The number alone
  /// isn't enough, because file systems reuse it.
  Result<void> check_files(const Claimed& claim) const {
    for (const FileMark& mark : claim.place.marks) {
      if (mark.born == 0) continue;
      CONSILIUM_ASSIGN(const auto before, known("SELECT path, population FROM files WHERE inode = ? AND born = ?",
                                                {static_cast<std::int64_t>(mark.inode), mark.born}));
      if (before && before->population != claim.population)
        return moved(claim, find_mark(claim.place, mark).string(), *before);
    }
    return {};
  }

  Result<void> check(const std::vector<Claimed>& claims) const {
    CONSILIUM_ASSIGN(const std::vector<Known> before, paths());
    for (const Claimed& claim : claims) {
      CONSILIUM_TRY(check_name(claim));          // check: data-name-kept
      CONSILIUM_TRY(check_path(claim, before));  // check: data-path-kept
      CONSILIUM_TRY(check_files(claim));         // check: data-file-kept
    }
    return {};
  }

  Result<void> record(const Claimed& claim) const {
    const std::string_view population(claim.population);
    CONSILIUM_TRY(database->execute("INSERT INTO names(dataset, population) VALUES(?, ?) ON CONFLICT DO NOTHING",
                                    {std::string_view(claim.dataset), population}));
    const std::string path = claim.place.path.string();
    CONSILIUM_TRY(database->execute("INSERT INTO paths(path, population) VALUES(?, ?) ON CONFLICT DO NOTHING",
                                    {std::string_view(path), population}));
    for (const FileMark& mark : claim.place.marks) {
      if (mark.born == 0) continue;
      CONSILIUM_TRY(database->execute(
          "INSERT INTO files(inode, born, population, path) VALUES(?, ?, ?, ?) ON CONFLICT DO NOTHING",
          {static_cast<std::int64_t>(mark.inode), mark.born, population, std::string_view(path)}));
    }
    return {};
  }
};

DataRecord::DataRecord(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DataRecord::DataRecord(DataRecord&&) noexcept = default;
DataRecord& DataRecord::operator=(DataRecord&&) noexcept = default;
DataRecord::~DataRecord() = default;

Result<DataRecord> DataRecord::open(const std::filesystem::path& folder) {
  auto impl = std::make_unique<Impl>();
  std::error_code problem;
  std::filesystem::create_directories(folder, problem);
  CONSILIUM_ASSIGN(impl->database, sqlite::Database::open(folder / "datasets.db", kFormat));
  return DataRecord(std::move(impl));
}

Result<void> DataRecord::claim(const DataPaths& datasets, const roster::Roster& roster, const std::string& wanted) {
  CONSILIUM_ASSIGN(std::vector<Claimed> claims, find_claims(datasets, roster, wanted));
  CONSILIUM_TRY(check_pairs(claims));
  std::erase_if(claims, [&](const Claimed& claim) { return impl_->is_recorded(claim); });
  if (claims.empty()) return {};
  CONSILIUM_TRY(impl_->database->transact([&]() -> Result<void> {
    CONSILIUM_TRY(impl_->check(claims));
    for (const Claimed& claim : claims) CONSILIUM_TRY(impl_->record(claim));  // check: data-place-recorded
    return {};
  }));
  for (Claimed& claim : claims) impl_->recorded.insert_or_assign(claim.dataset, std::move(claim));
  return {};
}

Result<void> DataRecord::check(const DataPaths& datasets, const roster::Roster& roster) const {
  CONSILIUM_ASSIGN(const std::vector<Claimed> claims, find_claims(datasets, roster, ""));
  CONSILIUM_TRY(check_pairs(claims));
  return impl_->check(claims);
}

Result<bool> DataRecord::check(const std::filesystem::path& folder, const DataPaths& datasets,
                               const roster::Roster& roster) {
  std::error_code problem;
  const bool recorded = std::filesystem::exists(folder / "datasets.db", problem);
  auto record = recorded ? open(folder) : Result<DataRecord>(fail(ErrorCode::kFailedPrecondition, ""));
  if (record) {
    CONSILIUM_TRY(record->check(datasets, roster));
    return true;
  }
  if (record.error().code != ErrorCode::kFailedPrecondition) return fail(record.error());
  CONSILIUM_ASSIGN(const std::vector<Claimed> claims, find_claims(datasets, roster, ""));
  CONSILIUM_TRY(check_pairs(claims));
  return !recorded;
}

}  // namespace consilium::policy
