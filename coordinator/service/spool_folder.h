#pragma once

#include <filesystem>
#include <string>

#include "common/error/error.h"
#include "common/job/round_order.h"

/// The folder of uploads under way: one folder a site (or "researcher.NAME"), one file an upload.
namespace consilium::service {

/// Where a site's vector for a session is spooled: `<spool>/<site>/<job>-<session>.part`, both as hexadecimal digits.
[[nodiscard]] std::filesystem::path spool_path(const std::filesystem::path& spool, const std::string& site,
                                               const job::SessionKey& key);

/// Where a researcher's weights are spooled. No site has a name with a dot, so the folder can't be a site's.
[[nodiscard]] std::filesystem::path weights_spool_path(const std::filesystem::path& spool,
                                                       const std::string& researcher);

/// Removes what sites have sent for the sessions of a job that has ended.
void remove_spools_of(const std::filesystem::path& spool, const std::string& job_id);

/// Makes the folder, and removes what an earlier run of the coordinator left in it: it has forgotten the jobs that this
/// was for.
Result<void> clear_spool(const std::filesystem::path& spool);

}  // namespace consilium::service
