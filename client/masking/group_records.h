#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/masking/group_ledger.h"
#include "common/sqlite/database.h"

/// How the group ledger's records are stored in sums.db (docs/formats/masking.md). Only the ledger's own sources use
/// it.
namespace consilium::masking {

/// The open file, with the queries that several kinds of records need. The caller must hold the mutex.
class GroupRecords {
 public:
  /// Opens or creates `folder`/sums.db. kDataLoss if it is missing while vectors are still there.
  static Result<std::unique_ptr<GroupRecords>> open(const std::filesystem::path& folder);

  /// Returns the first column of a query's first row; nullopt if there are no rows.
  Result<std::optional<std::int64_t>> number(std::string_view sql, const std::vector<sqlite::Value>& values) const;
  Result<std::optional<crypto::Digest>> digest(std::string_view sql, const std::vector<sqlite::Value>& values) const;
  /// Returns the only digest that a table holds for a sum; nullopt if it holds none.
  Result<std::optional<crypto::Digest>> only(std::string_view table, const SumId& sum) const;
  /// Records the only digest that a table ever holds for a sum.
  Result<void> keep_only(std::string_view table, const SumId& sum, const crypto::Digest& one,
                         std::string_view what) const;
  Result<bool> is_closed(const SumId& sum) const;
  Result<std::optional<std::string>> ended(const crypto::Digest& job) const;
  Result<void> end_job(const crypto::Digest& job, const std::string& reason) const;
  /// Records the latest advert seen from a member of a group (lines_of()). The recorded number never decreases.
  Result<void> keep_seen(const std::string& lines, const std::string& site, const secagg::Seen& one) const;
  /// Returns the latest advert recorded for each other member, in order of name; number 0 if there is none.
  Result<std::vector<secagg::Seen>> seen(const std::vector<std::string>& group, const std::string& self) const;

  std::unique_ptr<sqlite::Database> database;
  mutable std::mutex mutex;
};

/// Fails with kPermissionDenied and the reason unless `holds` is true.
Result<void> require(bool holds, std::string why);

[[nodiscard]] std::span<const std::byte> bytes_of(const crypto::Digest& digest);
[[nodiscard]] crypto::Digest digest_in(const sqlite::Rows& rows, int column);
/// Returns the position of a sum in its job: the census comes first, then each round's training and its evaluation.
[[nodiscard]] std::int64_t step_of(const SumId& sum);
/// Describes a sum in errors: "train 3 of job 1f6e08ac".
[[nodiscard]] std::string describe(const SumId& sum);

/// Formats a group as it is stored: each name on its own line. Names of sites contain no line break (config::is_name).
[[nodiscard]] std::string lines_of(const std::vector<std::string>& group);
[[nodiscard]] std::vector<std::string> names_in(std::string_view lines);
/// Formats the numbers of groups as they are stored: in decimal, each on its own line.
[[nodiscard]] std::string lines_of(std::span<const std::uint32_t> groups);
[[nodiscard]] std::vector<std::uint32_t> groups_in(std::string_view lines);

}  // namespace consilium::masking
