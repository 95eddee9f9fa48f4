#include "cli/simulation_options.h"

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <system_error>
#include <thread>

#include "common/job/atlas_file.h"
#include "simulation/site_data.h"

namespace consilium::cli {
namespace {

/// A CLI11 check. Returns what is wrong, or "" for generated data.
std::string not_generated(std::string& data) {
  return data.starts_with(simulation::kSyntheticData) ? std::string() : "or synthetic:ALPHA,BETA";
}

}  // namespace

void add_simulation_options(CLI::App& command, SimulationOptions& options) {
  command.add_option("JOB.yaml", options.job, "the job")->required()->check(CLI::ExistingFile);
  command
      .add_option("--data", options.data,
                  "data to divide: an .npz file in MedMNIST's layout, or a folder with MNIST's idx files; or "
                  "synthetic:ALPHA,BETA to generate each site's (Li et al. 2020)")
      ->check(CLI::ExistingPath | CLI::Validator(&not_generated, ""));
  command.add_option("--sites", options.sites, "number of sites, if the job doesn't name them")
      ->check(CLI::Range(1U, 100000U));
  command.add_option("--partition", options.partition, "iid, shards:S (S label shards per site) or dirichlet:A")
      ->capture_default_str();
  command
      .add_option("--per-site", options.per_site, "training examples of each site (default: all examples are divided)")
      ->check(CLI::Range(1U, 1U << 30));
  command.add_option("--workers", options.workers, "trainer processes at once (default: the number of cores)")
      ->check(CLI::Range(1U, 1024U));
  command.add_option("--trainer", options.trainer, "trainer to use, instead of consilium-trainer beside this command");
  command.add_option("--device", options.device, "auto, cpu or cuda:N")->capture_default_str();
  command.add_option("--threads", options.threads, "threads of each trainer")
      ->capture_default_str()
      ->check(CLI::Range(1U, 1024U));
}

void add_atlas_option(CLI::App& command, SimulationOptions& options) {
  command.add_option("--atlas", options.atlas, "the file of the job's atlas (data.atlas)")
      ->type_name("FILE")
      ->check(CLI::ExistingFile);
}

Result<std::string> atlas_of(const SimulationOptions& options, const job::JobSpec& job) {
  CONSILIUM_TRY(job::check_atlas_option(job.data, options.atlas));
  if (job.data.atlas) CONSILIUM_TRY(job::read_atlas_file(options.atlas, job.data.atlas->sha256));
  std::error_code code;
  return options.atlas.empty() ? std::string() : std::filesystem::absolute(options.atlas, code).string();
}

Result<std::filesystem::path> find_program(const std::string& name, const std::string& given) {
  std::error_code code;
  const std::filesystem::path beside = std::filesystem::read_symlink("/proc/self/exe", code).parent_path() / name;
  std::filesystem::path program = given.empty() ? beside : std::filesystem::absolute(given, code);
  if (::access(program.c_str(), X_OK) == 0) return program;
  if (!given.empty())
    return fail(ErrorCode::kInvalidArgument, fmt::format("{}: no such program, or this user may not run it", given));
  return fail(
      ErrorCode::kFailedPrecondition,
      fmt::format("{} doesn't exist; build it (cmake --build build/release --target {}) or install it beside consilium",
                  program.string(), name));
}

Result<simulation::Simulator::Config> simulator_config(const SimulationOptions& options,
                                                       const std::vector<std::filesystem::path>& readable) {
  CONSILIUM_ASSIGN(const std::filesystem::path program, find_program("consilium-trainer", options.trainer));
  simulation::Simulator::Config config;
  config.workers = options.workers > 0 ? options.workers : std::max(1U, std::thread::hardware_concurrency());
  config.trainer.command = {program.string()};
  config.trainer.device = options.device;
  config.trainer.threads = options.threads;
  config.trainer.readable = readable;
  if (!options.atlas.empty()) config.trainer.readable.push_back(std::filesystem::absolute(options.atlas));
  config.trainer.require_sandbox = false;
  return config;
}

}  // namespace consilium::cli
