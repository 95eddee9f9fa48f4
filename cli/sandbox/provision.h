#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "simulation/simulator.h"

namespace consilium::cli {

/// The researcher's name in a sandbox.
inline constexpr const char* kSandboxResearcher = "researcher";

/// The layout of a sandbox: like a real consortium's, but all in one folder.
struct SandboxLayout {
  std::filesystem::path root;

  /// In a real consortium, this is a separate machine without a network.
  [[nodiscard]] std::filesystem::path offline() const { return root / "offline"; }
  [[nodiscard]] std::filesystem::path authority() const { return offline() / "ca"; }
  [[nodiscard]] std::filesystem::path coordinator() const { return root / "coordinator"; }
  [[nodiscard]] std::filesystem::path site(const std::string& name) const { return root / "sites" / name; }
  [[nodiscard]] std::filesystem::path researcher() const { return root / "researcher"; }
  /// Returns the researcher's copy; each site has its own.
  [[nodiscard]] std::filesystem::path roster() const { return researcher() / "roster.yaml"; }
  [[nodiscard]] std::filesystem::path data() const {
    return root / "data";
  }  ///< one .npz file for each site: simulate --site-data
  /// All sites' images together. Exists only while the pool is trained for comparison; no real consortium has it.
  [[nodiscard]] std::filesystem::path pool() const { return root / "pooled.npz"; }
  [[nodiscard]] std::filesystem::path results() const { return root / "results"; }
};

/// How the sandbox's trainers run.
struct SandboxTrainer {
  std::filesystem::path program;
  std::string device = "auto";
  unsigned threads = 1;
  bool confined = true;  ///< false if this kernel can't confine them; the policies then say `sandbox: optional`
};

/// Creates everything that must exist before the first daemon starts: the consortium's root, a key and certificate for
/// every party, the rosters of each site and of the researcher, a README, and coordinator.yaml.
/// @param job  its data set is the consortium's only population, whose bound is the largest site's number of training
///   examples
Result<void> provision(const SandboxLayout& layout, const job::JobSpec& job,
                       const std::vector<simulation::SimulatedSite>& sites);

/// Writes each site's client.yaml and policy.yaml, and the researcher's config.yaml.
/// @param port  the port that the coordinator listens on
Result<void> write_site_configs(const SandboxLayout& layout, const job::JobSpec& job,
                                const std::vector<simulation::SimulatedSite>& sites, const SandboxTrainer& trainer,
                                int port);

}  // namespace consilium::cli
