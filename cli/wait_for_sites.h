#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "cli/admin_client.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/report/site_status.h"

namespace consilium::cli {

/// The sites that must be ready before a job is submitted.
struct WantedSites {
  std::vector<std::string> names;  ///< empty: any of the job's sites
  std::size_t count = 0;           ///< how many of them must be ready
  std::string dataset;             ///< the data set that each must have
};

/// Reads --wait-for: names with commas between them, or a number. Fails with kInvalidArgument if a name isn't among the
/// job's sites, or if the number is larger than theirs.
Result<WantedSites> read_wanted_sites(const std::string& text, const job::JobSpec& spec);

/// Returns how many sites are ready, and the reason for each site that isn't: "2 of 3 ready; south isn't connected".
/// Returns "" once enough sites are ready. A site is ready if it is connected and idle and has the job's data set.
[[nodiscard]] std::string missing_sites(const WantedSites& wanted, const std::vector<report::SiteStatus>& sites);

/// Queries the coordinator once a second until the sites are ready. Reports on standard error which sites are missing
/// whenever that changes. Fails with kDeadlineExceeded after the timeout, with kCancelled if `stop` is requested, and
/// with the query's error if the coordinator can't be reached or refuses the query.
Result<void> wait_for_sites(AdminClient& client, const WantedSites& wanted, std::optional<std::chrono::seconds> timeout,
                            const std::stop_token& stop);

}  // namespace consilium::cli
