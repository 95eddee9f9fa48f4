#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "common/error/error.h"
#include "common/roster/roster.h"

namespace consilium::policy {

/// By name, where client.yaml says that a data set lies.
using DataPaths = std::map<std::string, std::filesystem::path>;

/// Remembers which data belong to which population: every name, path and file that this site ever mapped, in
/// `datasets.db`. The same images under two populations would be in sums over two partitions of the sites, and their
/// difference could be one site's part. Copies of files aren't recognised. The file doesn't belong in backups. Not
/// thread-safe; one process a folder.
class DataRecord {
 public:
  /// Opens `folder`/datasets.db, or makes it. kDataLoss where it is damaged, with what to do.
  static Result<DataRecord> open(const std::filesystem::path& folder);
  DataRecord(DataRecord&&) noexcept;
  DataRecord& operator=(DataRecord&&) noexcept;
  ~DataRecord();

  /// Holds the data sets that the roster gives a population to this: data of two populations don't overlap, and none
  /// was ever mapped to another population. Records them, on the disk when the call returns. Two data sets overlap
  /// where one's real path is the other's or inside of it, or where they share a file or folder (hard links, bind
  /// mounts). kFailedPrecondition says which do and what to do; nothing is recorded then.
  /// @param wanted  the data set of a job: others may be missing from the disk now; "": none may. kNotFound where one
  /// is
  Result<void> claim(const DataPaths& datasets, const roster::Roster& roster, const std::string& wanted = "");

  /// Holds data sets to the same as claim() does, and records nothing. Makes no file.
  /// @return false where another process, the client that runs, has `folder`/datasets.db open: then the data sets were
  ///         held against each other alone
  static Result<bool> check(const std::filesystem::path& folder, const DataPaths& datasets,
                            const roster::Roster& roster);

 private:
  struct Impl;
  explicit DataRecord(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace consilium::policy
