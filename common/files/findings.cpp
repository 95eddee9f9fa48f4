#include "common/files/findings.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <iterator>
#include <utility>

namespace consilium::files {

void Findings::note(const Result<void>& checked) {
  if (!checked) problems.push_back(checked.error().message);
}

void Findings::add(Findings others) {
  std::ranges::move(others.problems, std::back_inserter(problems));
  std::ranges::move(others.warnings, std::back_inserter(warnings));
}

int tell_findings(const std::string& program, const std::filesystem::path& config_file, const std::string& user,
                  Findings findings) {
  if (!user.empty()) std::cout << "checked as the user '" << user << "', who owns state_dir\n";
  if (!user.empty() && ::access(config_file.c_str(), R_OK) != 0) {
    findings.problems.push_back(config_file.string() + ": the user '" + user +
                                "' may not read it; chown it to that user");
  }
  for (const std::string& warning : findings.warnings) std::cout << "warning: " << warning << '\n';
  for (const std::string& problem : findings.problems) std::cerr << program << ": " << problem << '\n';
  if (findings.problems.empty()) std::cout << config_file.string() << ": ok\n";
  return findings.problems.empty() ? 0 : 1;
}

}  // namespace consilium::files
