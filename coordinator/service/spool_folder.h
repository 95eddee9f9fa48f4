#pragma once

#include <filesystem>
#include <string>

#include "common/error/error.h"
#include "common/job/round_order.h"

/// The folder of unfinished uploads. It has one folder for each site (or "researcher.NAME"), with one file for each
/// upload.
namespace consilium::service {

/// Returns the path at which a site's vector for a session is spooled: `<spool>/<site>/<job>-<session>.part`, with job
/// and session as hexadecimal digits.
[[nodiscard]] std::filesystem::path spool_path(const std::filesystem::path& spool, const std::string& site,
                                               const job::SessionKey& key);

/// Returns the path at which a researcher's weights are spooled. No site name contains a dot, so the folder can't be a
/// site's.
[[nodiscard]] std::filesystem::path weights_spool_path(const std::filesystem::path& spool,
                                                       const std::string& researcher);

/// Removes the vectors that sites have sent for the sessions of a job that has ended.
void remove_spools_of(const std::filesystem::path& spool, const std::string& job_id);

/// Creates the folder, and removes what an earlier run of the coordinator left in it: a restarted coordinator has
/// forgotten the jobs that these uploads were for.
Result<void> clear_spool(const std::filesystem::path& spool);

}  // namespace consilium::service
