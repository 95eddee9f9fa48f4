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

/// Returns the names of a simulated job's sites: those that the job lists, or else site-000, site-001, ...
/// @param sites  the number of sites; 0 takes the job's own number. Fails if the job lists a different number of sites.
Result<std::vector<std::string>> site_names(const job::JobSpec& job, std::uint32_t sites);

/// Prefix of SplitRequest::data if the sites' data are generated: "synthetic:ALPHA,BETA" (Li et al. 2020).
inline constexpr std::string_view kSyntheticData = "synthetic:";

/// Describes how one data set is divided among sites.
struct SplitRequest {
  std::filesystem::path data;             ///< an .npz file, a folder with MNIST's idx files, or kSyntheticData...
  std::vector<std::string> names;         ///< of the sites
  std::string partition = "iid";          ///< "iid", "shards:S" or "dirichlet:A"
  std::optional<std::uint32_t> per_site;  ///< training examples for each site; empty: all that there are
  std::uint64_t seed = 0;
};

/// Divides a data set, or generates one for each site, and writes an uncompressed .npz file for each site,
/// <folder>/<name>.npz. Removes other .npz files from the folder, which are from an earlier run. The result depends
/// only on the data, the names, the partition and the seed: it has the same bytes on every machine.
Result<std::vector<SimulatedSite>> split_to_folder(const SplitRequest& request, const job::JobSpec& job,
                                                   const std::filesystem::path& folder);

/// Returns a folder's .npz files as sites, together with .yaml files that each describe a site's data as client.yaml
/// does. Each site is named after its file, and sites are ordered by name. If the job lists sites, the folder must
/// contain exactly those.
Result<std::vector<SimulatedSite>> read_site_folder(const std::filesystem::path& folder, const job::JobSpec& job);

/// Reads one such file as a site named after it. Fails with kInvalidArgument if its name isn't a valid site name, or if
/// the file is of another kind.
Result<SimulatedSite> read_site_file(const std::filesystem::path& file);

/// Counts the training examples of the largest site, which is the smallest bound B of a population that fits every
/// site. Fails if a site has data other than arrays.
Result<std::uint64_t> largest_training_set(const std::vector<SimulatedSite>& sites, const job::JobSpec& job);

/// Writes all sites' examples into one .npz file, site after site in order of name. Fails if a site has data other than
/// arrays.
Result<SimulatedSite> write_pool(const std::vector<SimulatedSite>& sites, const job::JobSpec& job,
                                 const std::filesystem::path& file);

}  // namespace consilium::simulation
