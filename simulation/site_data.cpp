#include "simulation/site_data.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <numeric>
#include <system_error>
#include <utility>

#include "client/data_description.h"
#include "client/trainer/data/dataset.h"
#include "client/trainer/data/npz_writer.h"
#include "client/trainer/data/partition.h"
#include "client/trainer/data/readers.h"
#include "client/trainer/data/synthetic.h"
#include "common/config/value.h"
#include "common/pki/identity.h"

namespace consilium::simulation {
namespace {

trainer::DataSource npz(const std::filesystem::path& file) {
  return {.type = "npz", .path = std::filesystem::absolute(file).string()};
}

trainer::DataSource source_of(const std::filesystem::path& path) {
  return data::source_at(std::filesystem::absolute(path));
}

/// Reads a file that holds what client.yaml has under a data set's name. Relative paths start at the file's folder.
Result<trainer::DataSource> described(const std::filesystem::path& file) {
  CONSILIUM_ASSIGN(const config::Value description, config::read(std::filesystem::absolute(file)));
  return client::read_data_description(description);
}

/// Fails if a site's data aren't whole arrays.
Result<void> check_arrays(const std::vector<SimulatedSite>& sites, std::string_view otherwise) {
  for (const SimulatedSite& site : sites) {
    const trainer::DataType* type = trainer::find_data_type(site.data.type);
    if (type != nullptr && type->arrays) continue;
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("site '{}': its data are of type '{}'; {}", site.name, site.data.type, otherwise));
  }
  return {};
}

Result<void> make_folder(const std::filesystem::path& folder) {
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code)
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}: cannot be made: {}", folder.string(), code.message()));
  return {};
}

/// Appends the examples of one split to another. Fails if one has uint8 images and the other has floats.
Result<void> append(data::Split& to, data::Split from) {
  if (from.size() == 0) return {};
  if (to.size() == 0) {
    to = std::move(from);
    return {};
  }
  if (to.values.index() != from.values.index()) {
    return fail(ErrorCode::kInvalidArgument,
                "uint8 and floating-point images can't be pooled; store the images of all sites as the same type");
  }
  to.labels.insert(to.labels.end(), from.labels.begin(), from.labels.end());
  std::visit(
      [&from](auto& values) {
        const auto& more = std::get<std::decay_t<decltype(values)>>(from.values);
        values.insert(values.end(), more.begin(), more.end());
      },
      to.values);
  return {};
}

/// Reads "ALPHA,BETA".
Result<data::SyntheticSpec> parse_synthetic(std::string_view text) {
  data::SyntheticSpec spec;
  const char* const end = text.data() + text.size();
  const auto alpha = std::from_chars(text.data(), end, spec.alpha);
  if (alpha.ec == std::errc() && alpha.ptr != end && *alpha.ptr == ',') {
    const auto beta = std::from_chars(alpha.ptr + 1, end, spec.beta);
    if (beta.ec == std::errc() && beta.ptr == end) return spec;
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("--data {}{}: expected synthetic:ALPHA,BETA, e.g. synthetic:1,1", kSyntheticData, text));
}

/// Removes the sites' files of an earlier run, which may have had other sites.
void remove_arrays(const std::filesystem::path& folder) {
  std::error_code ignored;
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".npz") found.push_back(entry.path());
  }
  for (const std::filesystem::path& file : found) std::filesystem::remove(file, ignored);
}

/// Generates the sites' data sets instead of dividing one.
Result<std::vector<SimulatedSite>> generate_to_folder(const SplitRequest& request, const job::JobSpec& job,
                                                      const std::filesystem::path& folder) {
  CONSILIUM_ASSIGN(data::SyntheticSpec spec, parse_synthetic(request.data.string().substr(kSyntheticData.size())));
  if (request.per_site || request.partition != "iid") {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--data {}: generates each site's data, so leave --partition and --per-site out",
                            request.data.string()));
  }
  spec.sites = static_cast<std::uint32_t>(request.names.size());
  spec.classes = static_cast<std::uint32_t>(job.model.classes);
  spec.features = static_cast<std::uint32_t>(
      std::accumulate(job.model.input.begin(), job.model.input.end(), std::int64_t{1}, std::multiplies<>()));
  CONSILIUM_ASSIGN(std::vector<data::Dataset> generated, data::generate_synthetic(spec, request.seed));
  CONSILIUM_TRY(make_folder(folder));
  remove_arrays(folder);
  std::vector<SimulatedSite> sites;
  for (std::size_t i = 0; i < request.names.size(); ++i) {
    const std::filesystem::path file = folder / (request.names[i] + ".npz");
    generated[i].shape = job.model.input;
    CONSILIUM_TRY(data::write_npz(file, generated[i]));
    sites.push_back({request.names[i], npz(file)});
  }
  return sites;
}

bool is_site_file(const std::filesystem::path& file) {
  return file.extension() == ".npz" || file.extension() == ".yaml";
}

}  // namespace

Result<std::vector<std::string>> site_names(const job::JobSpec& job, std::uint32_t sites) {
  const std::vector<std::string>& named = job.federation.sites;
  if (!named.empty()) {
    if (sites != 0 && sites != named.size()) {
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("--sites {}: the job names {} sites (federation.sites); leave --sites out, or change the job",
                      sites, named.size()));
    }
    return named;
  }
  if (sites == 0)
    return fail(ErrorCode::kInvalidArgument,
                "the number of sites is missing, because the job names none (federation.sites): give --sites N");
  if (sites < job.federation.minimum_sites) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--sites {}: the job needs at least {} (federation.minimum_sites)", sites,
                            job.federation.minimum_sites));
  }
  std::vector<std::string> names;
  for (std::uint32_t i = 0; i < sites; ++i) names.push_back(fmt::format("site-{:03}", i));
  return names;
}

Result<SimulatedSite> read_site_file(const std::filesystem::path& file) {
  const std::string name = file.stem().string();
  if (const auto valid = pki::check_name(name); !valid)
    return fail(
        valid.error().within(file.string() + ": the file's name must be the name of its site; rename the file"));
  if (!is_site_file(file)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: expected an .npz file, or a .yaml file that describes the data", file.string()));
  }
  if (file.extension() == ".npz") return SimulatedSite{name, npz(file)};
  CONSILIUM_ASSIGN(trainer::DataSource data, described(file));
  return SimulatedSite{name, std::move(data)};
}

Result<std::vector<SimulatedSite>> read_site_folder(const std::filesystem::path& folder, const job::JobSpec& job) {
  std::vector<SimulatedSite> sites;
  std::error_code code;
  for (const auto& entry : std::filesystem::directory_iterator(folder, code)) {
    if (!is_site_file(entry.path())) continue;
    CONSILIUM_ASSIGN(SimulatedSite site, read_site_file(entry.path()));
    if (std::ranges::find(sites, site.name, &SimulatedSite::name) != sites.end()) {
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("--site-data {0}: found both {1}.npz and {1}.yaml; keep only the one that '{1}' trains on",
                      folder.string(), site.name));
    }
    sites.push_back(std::move(site));
  }
  if (code) return fail(ErrorCode::kNotFound, fmt::format("--site-data {}: {}", folder.string(), code.message()));
  std::ranges::sort(sites, {}, &SimulatedSite::name);
  for (const std::string& name : job.federation.sites) {
    if (std::ranges::find(sites, name, &SimulatedSite::name) == sites.end()) {
      return fail(ErrorCode::kNotFound,
                  fmt::format("--site-data {}: the job names the site '{}', expected {}.npz or {}.yaml",
                              folder.string(), name, name, name));
    }
  }
  if (!job.federation.sites.empty()) {
    std::erase_if(sites, [&job](const SimulatedSite& site) {
      return std::ranges::find(job.federation.sites, site.name) == job.federation.sites.end();
    });
  }
  if (sites.size() < std::max(1U, job.federation.minimum_sites)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("--site-data {}: found {} sites (.npz and .yaml files), but the job needs at least {} "
                            "(federation.minimum_sites)",
                            folder.string(), sites.size(), std::max(1U, job.federation.minimum_sites)));
  }
  return sites;
}

Result<std::vector<SimulatedSite>> split_to_folder(const SplitRequest& request, const job::JobSpec& job,
                                                   const std::filesystem::path& folder) {
  if (request.data.string().starts_with(kSyntheticData)) return generate_to_folder(request, job, folder);
  auto spec = data::parse_partition(request.partition);
  if (!spec) return fail(spec.error().within("--partition"));
  spec->sites = static_cast<std::uint32_t>(request.names.size());
  spec->per_site = request.per_site;
  CONSILIUM_ASSIGN(const data::Dataset whole,
                   data::read_dataset(source_of(request.data), job.model.input, job.model.classes));
  auto assignments = data::assign(whole, *spec, request.seed);
  if (!assignments) return fail(assignments.error().within(request.data.string()));
  CONSILIUM_TRY(make_folder(folder));
  remove_arrays(folder);
  std::vector<SimulatedSite> sites;
  for (std::size_t i = 0; i < request.names.size(); ++i) {
    const std::filesystem::path file = folder / (request.names[i] + ".npz");
    CONSILIUM_TRY(data::write_npz(file, data::take(whole, (*assignments)[i])));
    sites.push_back({request.names[i], npz(file)});
  }
  return sites;
}

Result<std::uint64_t> largest_training_set(const std::vector<SimulatedSite>& sites, const job::JobSpec& job) {
  CONSILIUM_TRY(check_arrays(sites, "give --roster, whose population sets the bound of examples per site"));
  std::uint64_t largest = 1;
  for (const SimulatedSite& site : sites) {
    CONSILIUM_ASSIGN(const data::Dataset dataset,
                     data::read_dataset(site.data, job.model.input, job.model.classes, {}, data::Targets::kAny));
    largest = std::max<std::uint64_t>(largest, dataset.train.labels.size());
  }
  return largest;
}

Result<SimulatedSite> write_pool(const std::vector<SimulatedSite>& sites, const job::JobSpec& job,
                                 const std::filesystem::path& file) {
  CONSILIUM_TRY(check_arrays(sites, "only arrays (.npz) can be pooled; leave 'pooled' out of --compare"));
  data::Dataset pool;
  for (const SimulatedSite& site : sites) {
    CONSILIUM_ASSIGN(data::Dataset part, data::read_dataset(site.data, job.model.input, job.model.classes));
    if (pool.shape.empty()) {
      pool = std::move(part);
      continue;
    }
    for (const auto split : {&data::Dataset::train, &data::Dataset::val, &data::Dataset::test}) {
      if (auto appended = append(pool.*split, std::move(part.*split)); !appended)
        return fail(appended.error().within(site.data.path));
    }
  }
  CONSILIUM_TRY(make_folder(file.parent_path()));
  CONSILIUM_TRY(data::write_npz(file, pool));
  return SimulatedSite{"pooled", npz(file)};
}

}  // namespace consilium::simulation
