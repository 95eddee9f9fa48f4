#pragma once

#include <string>
#include <vector>

#include "coordinator/daemon_config.h"

namespace consilium::coordinator {

/// What a check found, each in a sentence that names the file, the key and what to do.
struct Findings {
  std::vector<std::string> problems;  ///< keep the coordinator from starting, or its members from getting in
  std::vector<std::string> warnings;  ///< advice
};

/// Checks what the coordinator needs to start: certificate (role, dates) and key, root and revocation list, the state
/// folder, and that its port is free or held by the coordinator that runs on this state folder. Leaves no file, so it
/// may be asked while a coordinator runs.
[[nodiscard]] Findings check_config(const CoordinatorConfig& config);

}  // namespace consilium::coordinator
