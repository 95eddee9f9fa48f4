#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "client/trainer_process/trainer_process.h"
#include "common/error/error.h"
#include "simulation/simulator.h"

namespace CLI {
class App;
}

namespace consilium::cli {

/// The options that `simulate` and `sandbox` share: a job, data to divide, and trainers.
struct SimulationOptions {
  std::string job;
  std::string data;
  std::uint32_t sites = 0;
  std::string partition = "iid";
  std::uint32_t per_site = 0;
  unsigned workers = 0;
  std::string trainer;
  std::string device = "auto";
  unsigned threads = 1;
  std::string atlas;
  bool json = false;
};
/// Adds --atlas.
void add_atlas_option(CLI::App& command, SimulationOptions& options);
/// Returns the path given by --atlas. Fails with kInvalidArgument if the job has an atlas and no file is given, or the
/// reverse.
Result<std::string> atlas_of(const SimulationOptions& options, const job::JobSpec& job);
void add_simulation_options(CLI::App& command, SimulationOptions& options);

/// Finds the program with that name beside this one, unless `given` names another. Errors say how to build or name it.
Result<std::filesystem::path> find_program(const std::string& name, const std::string& given);

/// Returns the configuration of trainers for data that belongs to this machine's user. They are confined if the kernel
/// supports it.
/// @param readable  folders that hold the data
Result<simulation::Simulator::Config> simulator_config(const SimulationOptions& options,
                                                       const std::vector<std::filesystem::path>& readable);

}  // namespace consilium::cli
