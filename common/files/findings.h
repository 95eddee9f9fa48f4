#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/error/error.h"

namespace consilium::files {

/// The results of a daemon's --check. Each sentence names the file and the key, and says what to do.
struct Findings {
  std::vector<std::string> problems;  ///< keep the daemon from starting or from working
  std::vector<std::string> warnings;  ///< advice

  /// Adds the error of a failed check to the problems.
  void note(const Result<void>& checked);
  void add(Findings others);
};

/// Prints the results of a check: warnings to standard output, problems to standard error. Adds a problem if the check
/// ran as another user (become_owner()) who may not read the configuration.
/// @param program  the daemon's name, which begins each line of a problem
/// @param user     what become_owner() returned
/// @return the exit code: 1 if there is a problem, otherwise 0
int tell_findings(const std::string& program, const std::filesystem::path& config_file, const std::string& user,
                  Findings findings);

}  // namespace consilium::files
