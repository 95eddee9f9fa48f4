#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "common/error/error.h"
#include "common/roster/roster.h"

namespace consilium::policy {

/// The data sets' paths in client.yaml, by name.
using DataPaths = std::map<std::string, std::filesystem::path>;

/// Records which data belong to which population: every name, path and file that this site ever mapped, in
/// `datasets.db`. If the same images belonged to two populations, they would be in sums over two partitions of the
/// sites, and the difference of these sums could be a single site's contribution. Copies of files aren't recognised.
/// The file doesn't belong in backups. Not thread-safe; only one process may use a folder.
class DataRecord {
 public:
  /// Opens or creates `folder`/datasets.db. kDataLoss if it is damaged; the message says what to do.
  static Result<DataRecord> open(const std::filesystem::path& folder);
  DataRecord(DataRecord&&) noexcept;
  DataRecord& operator=(DataRecord&&) noexcept;
  ~DataRecord();

  /// Checks the data sets that the roster assigns to populations: the data of two populations must not overlap, and
  /// none may ever have been mapped to another population. Then records them, on disk before the call returns. Two data
  /// sets overlap if the real path of one equals or contains the other's, or if they share a file or folder (hard
  /// links, bind mounts). kFailedPrecondition says which overlap and what to do; nothing is recorded then.
  /// @param wanted  the data set of a job: the others may be missing from the disk now. "": none may be missing.
  ///                kNotFound if a data set is missing that may not be
  Result<void> claim(const DataPaths& datasets, const roster::Roster& roster, const std::string& wanted = "");

  /// Performs the checks of claim() without recording anything.
  Result<void> check(const DataPaths& datasets, const roster::Roster& roster) const;
  /// Performs the same checks for another process. Creates no file.
  /// @return false if another process (the running client) has `folder`/datasets.db open: the data sets were then
  /// checked only against each other
  static Result<bool> check(const std::filesystem::path& folder, const DataPaths& datasets,
                            const roster::Roster& roster);

 private:
  struct Impl;
  explicit DataRecord(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::policy
