#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "common/error/error.h"

namespace consilium::journal {

/// Numbers the jobs of a name, never one twice, restarts included: sites remember by a job's id which sums they have
/// helped to unmask. One thread at a time.
class JobNumbers {
 public:
  /// @param file  job_numbers.json, made with the first number; an empty path keeps them in memory
  static Result<JobNumbers> open(const std::filesystem::path& file);

  /// The next number of that name, from 1; on disk before it is returned.
  Result<std::uint64_t> next(const std::string& job_name);

 private:
  explicit JobNumbers(std::filesystem::path file) : file_(std::move(file)) {}

  std::filesystem::path file_;
  std::map<std::string, std::uint64_t> last_;
};

}  // namespace consilium::journal
