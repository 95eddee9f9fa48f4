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

/// How the group ledger's records lie in sums.db (docs/formats/masking.md). For the ledger's own sources.
namespace consilium::masking {

/// The open file, and what several kinds of records need. Whoever calls it holds the mutex.
class GroupRecords {
 public:
  /// Opens `folder`/sums.db, or makes it. kDataLoss where it is lost while vectors are still there.
  static Result<std::unique_ptr<GroupRecords>> open(const std::filesystem::path& folder);

  /// The first column of a query's first row; nullopt where there is none.
  Result<std::optional<std::int64_t>> number(std::string_view sql, const std::vector<sqlite::Value>& values) const;
  Result<std::optional<crypto::Digest>> digest(std::string_view sql, const std::vector<sqlite::Value>& values) const;
  /// The digest that stands for a sum in a table; nullopt where none does.
  Result<std::optional<crypto::Digest>> only(std::string_view table, const SumId& sum) const;
  /// Records the only digest that a table ever has for a sum.
  Result<void> keep_only(std::string_view table, const SumId& sum, const crypto::Digest& one,
                         std::string_view what) const;
  Result<bool> is_closed(const SumId& sum) const;
  Result<std::optional<std::string>> ended(const crypto::Digest& job) const;
  Result<void> end_job(const crypto::Digest& job, const std::string& reason) const;
  /// Keeps the latest advert that was seen of a member of a group (lines_of()); its number only rises.
  Result<void> keep_seen(const std::string& lines, const std::string& site, const secagg::Seen& one) const;
  /// What is recorded of each other member, in order of name; number 0 where nothing.
  Result<std::vector<secagg::Seen>> seen(const std::vector<std::string>& group, const std::string& self) const;

  std::unique_ptr<sqlite::Database> database;
  mutable std::mutex mutex;
};

/// kPermissionDenied with the reason, unless it holds.
Result<void> require(bool holds, std::string why);

[[nodiscard]] std::span<const std::byte> bytes_of(const crypto::Digest& digest);
[[nodiscard]] crypto::Digest digest_in(const sqlite::Rows& rows, int column);
/// The place of a sum in its job: the census, then each round's training and its evaluation.
[[nodiscard]] std::int64_t step_of(const SumId& sum);
/// "train 3 of job 1f6e08ac": for errors.
[[nodiscard]] std::string describe(const SumId& sum);

/// A group as it is kept: each name on a line of its own. Names of sites hold no line break (config::is_name).
[[nodiscard]] std::string lines_of(const std::vector<std::string>& group);
[[nodiscard]] std::vector<std::string> names_in(std::string_view lines);
/// Numbers of groups as they are kept: in decimal, each on a line of its own.
[[nodiscard]] std::string lines_of(std::span<const std::uint32_t> groups);
[[nodiscard]] std::vector<std::uint32_t> groups_in(std::string_view lines);

}  // namespace consilium::masking
