#pragma once

#include "common/files/findings.h"
#include "coordinator/daemon_config.h"

namespace consilium::coordinator {

/// Checks what the coordinator needs to start: certificate (role, dates) and key, root and revocation list, the state
/// folder, and that its port is free or held by the coordinator that runs on this state folder. Leaves no file, so it
/// may be asked while a coordinator runs.
[[nodiscard]] files::Findings check_config(const CoordinatorConfig& config);

}  // namespace consilium::coordinator
