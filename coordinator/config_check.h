#pragma once

#include "common/files/findings.h"
#include "coordinator/daemon_config.h"

namespace consilium::coordinator {

/// Checks everything that the coordinator needs to start: its certificate (role, dates) and key, the root and the
/// revocation list, the state folder, and that its port is either free or held by the coordinator that runs on this
/// state folder. Leaves no file behind, so it may be called while a coordinator runs.
[[nodiscard]] files::Findings check_config(const CoordinatorConfig& config);

}  // namespace consilium::coordinator
