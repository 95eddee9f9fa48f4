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

/// What `simulate` and `sandbox` have in common: a job, data to divide, and trainers.
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
/// The path of --atlas. Fails with kInvalidArgument where the job has an atlas and no file is given, or the other way.
Result<std::string> atlas_of(const SimulationOptions& options, const job::JobSpec& job);
void add_simulation_options(CLI::App& command, SimulationOptions& options);

/// The program of that name beside this one, or the one given. Errors say how to build or name it.
Result<std::filesystem::path> find_program(const std::string& name, const std::string& given);

/// Trainers for data of this machine's own user: confined where the kernel can.
/// @param readable folders that hold the data
Result<simulation::Simulator::Config> simulator_config(const SimulationOptions& options,
                                                       const std::vector<std::filesystem::path>& readable);

}  // namespace consilium::cli
