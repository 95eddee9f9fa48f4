#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "common/error/error.h"

namespace consilium::journal {

/// Numbers the jobs of each name and never repeats a number, even after a restart: sites use a job's id to remember
/// which sums they have helped to unmask. Not thread-safe.
class JobNumbers {
 public:
  /// @param file  job_numbers.json, created with the first number; an empty path keeps the numbers in memory
  static Result<JobNumbers> open(const std::filesystem::path& file);

  /// Returns the next number for that name, starting at 1. The number is on disk before this function returns.
  Result<std::uint64_t> next(const std::string& job_name);

 private:
  explicit JobNumbers(std::filesystem::path file) : file_(std::move(file)) {}

  std::filesystem::path file_;
  std::map<std::string, std::uint64_t> last_;
};

}  // namespace consilium::journal
