#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "simulation/worker_pool.h"

namespace consilium::simulation {

/// Names the sites of a simulated job: those that it lists, else site-000, site-001, ...
/// @param sites how many; 0 takes the job's own number. Refused where the job lists another number of sites.
Result<std::vector<std::string>> site_names(const job::JobSpec& job, std::uint32_t sites);

/// What SplitRequest::data begins with where the sites' data are generated: "synthetic:ALPHA,BETA" (Li et al. 2020).
inline constexpr std::string_view kSyntheticData = "synthetic:";

/// How one data set is divided among sites.
struct SplitRequest {
  std::filesystem::path data;             ///< an .npz file, a folder with MNIST's idx files, or kSyntheticData...
  std::vector<std::string> names;         ///< of the sites
  std::string partition = "iid";          ///< "iid", "shards:S" or "dirichlet:A"
  std::optional<std::uint32_t> per_site;  ///< training examples of each site; instead of everything there is
  std::uint64_t seed = 0;
};

/// Divides a data set, or generates one for each site, and writes one stored .npz a site, <folder>/<name>.npz; other
/// .npz files in the folder, those of an earlier run, are removed. A function of the data, the names, the partition and
/// the seed: the same bytes everywhere.
Result<std::vector<SimulatedSite>> split_to_folder(const SplitRequest& request, const job::JobSpec& job,
                                                   const std::filesystem::path& folder);

/// Lists a folder's .npz files, and .yaml files that each describe a site's data as client.yaml does, as sites named by
/// their stems, in order of name. Where the job lists sites, exactly those.
Result<std::vector<SimulatedSite>> read_site_folder(const std::filesystem::path& folder, const job::JobSpec& job);

/// Reads one such file as a site named after it. kInvalidArgument where its name is no site's or it is of another kind.
Result<SimulatedSite> read_site_file(const std::filesystem::path& file);

/// Counts the training examples of the largest site: the least bound B of a population that all of them fit in.
/// Fails where a site has other data than arrays.
Result<std::uint64_t> largest_training_set(const std::vector<SimulatedSite>& sites, const job::JobSpec& job);

/// Writes everybody's examples into one .npz file, site after site in order of name. Fails where a site
/// has other data than arrays.
Result<SimulatedSite> write_pool(const std::vector<SimulatedSite>& sites, const job::JobSpec& job,
                                 const std::filesystem::path& file);

}  // namespace consilium::simulation
