#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/error/error.h"

namespace consilium::files {

/// What a daemon's --check found, each in a sentence that names the file, the key and what to do.
struct Findings {
  std::vector<std::string> problems;  ///< keep the daemon from starting, or from its work
  std::vector<std::string> warnings;  ///< advice

  /// Adds a failed check to the problems.
  void note(const Result<void>& checked);
  void add(Findings others);
};

/// Prints what a check found: warnings to standard output, problems to standard error. It is a problem as well where
/// the check ran as another user (become_owner()), and that user may not read the configuration.
/// @param program  the daemon's name, which begins each line of a problem
/// @param user     what become_owner() returned
/// @return the exit code: 0, or 1 where there is a problem
int tell_findings(const std::string& program, const std::filesystem::path& config_file, const std::string& user,
                  Findings findings);

}  // namespace consilium::files
