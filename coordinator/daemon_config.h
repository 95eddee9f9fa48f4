#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/daemon_sections.h"
#include "common/error/error.h"
#include "coordinator/admission/quotas.h"

namespace consilium::coordinator {

/// The contents of coordinator.yaml (configs/coordinator.yaml explains each key). Every path is absolute.
struct CoordinatorConfig {
  std::string listen = "0.0.0.0:8470";  ///< port 0 picks a free port
  std::filesystem::path state_dir;      ///< models, spool, journal
  config::TlsFiles tls;
  std::uint32_t max_running_jobs = 1;
  admission::Quotas quotas;  ///< for each researcher
  config::LogConfig log;
  bool operator==(const CoordinatorConfig&) const = default;
};

/// Returns the keys that differ between `running` and `fresh` and that take effect only when the coordinator restarts.
/// The other keys take effect while it runs: log, max_running_jobs, quotas.jobs and quotas.running.
[[nodiscard]] std::vector<std::string> keys_for_restart(const CoordinatorConfig& running,
                                                        const CoordinatorConfig& fresh);

Result<CoordinatorConfig> read_coordinator_config(const std::filesystem::path& file);
/// @param folder  the folder that relative paths start from
Result<CoordinatorConfig> parse_coordinator_config(std::string_view text, std::string_view source,
                                                   const std::filesystem::path& folder);

}  // namespace consilium::coordinator
