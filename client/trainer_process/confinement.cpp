#include "client/trainer_process/confinement.h"

#include <linux/seccomp.h>
#include <spdlog/fmt/fmt.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "client/trainer_process/elf_libraries.h"
#include "client/trainer_process/landlock.h"

namespace consilium::trainer {

namespace {

namespace fs = std::filesystem;

/// The variables that a trainer inherits from the daemon's environment.
constexpr std::array kInherited{"PATH",   "LD_LIBRARY_PATH",      "DCMDICTPATH",       "LANG",
                                "LC_ALL", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES"};
/// Folders of libraries, and files that the run-times of C, OpenMP and CUDA read to learn about the machine.
constexpr std::array kSystemFiles{"/usr",
                                  "/lib",
                                  "/lib64",
                                  "/etc/ld.so.cache",
                                  "/etc/alternatives",
                                  "/sys",
                                  "/proc/cpuinfo",
                                  "/proc/meminfo",
                                  "/proc/stat",
                                  "/proc/filesystems",
                                  "/proc/devices",
                                  "/proc/modules",
                                  "/proc/driver",
                                  "/proc/sys/vm/mmap_min_addr",
                                  "/proc/sys/vm/overcommit_memory",
                                  "/dev/urandom",
                                  "/dev/random"};

Result<fs::path> find_program(const std::string& name) {
  const auto runs = [](const fs::path& path) { return access(path.c_str(), X_OK) == 0 && !fs::is_directory(path); };
  if (name.find('/') != std::string::npos) return fs::absolute(name);
  const char* path = std::getenv("PATH");
  std::string_view folders = path == nullptr ? "/usr/bin:/bin" : path;
  while (!folders.empty()) {
    const auto end = std::min(folders.find(':'), folders.size());
    const fs::path candidate = fs::path(folders.substr(0, end)) / name;
    if (candidate.is_absolute() && runs(candidate)) return candidate;
    folders.remove_prefix(std::min(end + 1, folders.size()));
  }
  return fail(ErrorCode::kNotFound, fmt::format("trainer.command: cannot run '{}': not found in PATH", name));
}

std::vector<std::string> environment_of(const TrainerConfig& config) {
  std::vector<std::string> environment;
  for (const char* name : kInherited) {
    if (const char* value = std::getenv(name); value != nullptr)
      environment.push_back(fmt::format("{}={}", name, value));
  }
  environment.push_back(fmt::format("OMP_NUM_THREADS={}", std::max(config.threads, 1U)));
  environment.emplace_back("MALLOC_ARENA_MAX=2");
  environment.emplace_back("CUDA_CACHE_DISABLE=1");
  return environment;
}

/// Returns the device files of NVIDIA's driver: /dev/nvidia0, /dev/nvidiactl, /dev/nvidia-uvm, /dev/nvidia-caps/...
std::vector<fs::path> cuda_devices() {
  std::vector<fs::path> devices;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/dev", error)) {
    if (entry.path().filename().string().starts_with("nvidia")) devices.push_back(entry.path());
  }
  return devices;
}

/// Makes the absolute paths in a variable of the daemon's environment readable.
void add_paths_of(const char* variable, FileAccess& access) {
  const char* value = std::getenv(variable);
  std::string_view paths = value == nullptr ? "" : value;
  while (!paths.empty()) {
    const auto end = std::min(paths.find(':'), paths.size());
    const fs::path path = fs::path(paths.substr(0, end)).lexically_normal();
    if (path.is_absolute() && path != "/") access.read.push_back(path);
    paths.remove_prefix(std::min(end + 1, paths.size()));
  }
}

FileAccess access_of(const TrainerConfig& config, const fs::path& program) {
  FileAccess access;
  access.read.assign(kSystemFiles.begin(), kSystemFiles.end());
  access.read.insert(access.read.end(), config.readable.begin(), config.readable.end());
  const ProgramFiles files = program_files(program);
  access.read.insert(access.read.end(), files.folders.begin(), files.folders.end());
  add_paths_of("LD_LIBRARY_PATH", access);
  access.execute = files.executables;
  access.devices = config.device == "cpu" ? std::vector<fs::path>() : cuda_devices();
  access.devices.emplace_back("/dev/null");
  access.devices.emplace_back("/dev/zero");
  return access;
}

bool has_seccomp_filters() {
  const std::uint32_t action = SECCOMP_RET_ERRNO;
  return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

}  // namespace

namespace {

/// Fills in what the plans of a trainer and its decoder have in common.
Result<void> fill(const TrainerConfig& config, const fs::path& program, const FileAccess& access, LaunchPlan& plan) {
  plan.program = program.string();
  plan.environment = environment_of(config);
  plan.require_confinement = config.require_sandbox;
  if (!has_seccomp_filters() && config.require_sandbox) {
    return fail(ErrorCode::kFailedPrecondition, "the kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)");
  }
  auto ruleset = create_ruleset(access);
  if (ruleset) {
    plan.ruleset = std::move(*ruleset);
  } else if (config.require_sandbox) {
    return fail(ruleset.error());
  }
  return {};
}

}  // namespace

std::optional<fs::path> decoder_of(const TrainerConfig& config) {
  if (config.command.empty()) return std::nullopt;
  const auto trainer = find_program(config.command.front());
  if (!trainer || trainer->filename() != "consilium-trainer") return std::nullopt;
  fs::path decoder = trainer->parent_path() / "consilium-decode";
  if (access(decoder.c_str(), X_OK) != 0) return std::nullopt;
  return decoder;
}

Result<void> confine_decoder(const TrainerConfig& config, const fs::path& decoder, LaunchPlan& plan) {
  TrainerConfig alone;
  alone.device = "cpu";
  plan.arguments = {decoder.string(), "--socket-fd", std::to_string(kSocketDescriptor)};
  FileAccess access = access_of(alone, decoder);
  add_paths_of("DCMDICTPATH", access);  // DCMTK's data dictionary, if it isn't under /usr
  plan.gpu = false;
  plan.decoder_filter = true;
  return fill(config, decoder, access, plan);
}

Result<void> confine(const TrainerConfig& config, LaunchPlan& plan) {
  if (config.command.empty() || config.command.front().empty()) {
    return fail(ErrorCode::kInvalidArgument, "trainer.command: expected a program");
  }
  CONSILIUM_ASSIGN(const fs::path program, find_program(config.command.front()));
  plan.arguments = config.command;
  for (const std::string& argument :
       {std::string("--socket-fd"), std::to_string(kSocketDescriptor), std::string("--device"), config.device,
        std::string("--threads"), std::to_string(std::max(config.threads, 1U))}) {
    plan.arguments.push_back(argument);
  }
  if (plan.decoder) {
    plan.arguments.insert(plan.arguments.end(), {"--decoder-fd", std::to_string(kDecoderDescriptor)});
  }
  if (plan.scratch) {
    plan.arguments.insert(plan.arguments.end(), {"--scratch-fd", std::to_string(kScratchDescriptor), "--scratch-size",
                                                 std::to_string(plan.scratch_bytes)});
  }
  plan.gpu = config.device != "cpu";
  return fill(config, program, access_of(config, program), plan);
}

}  // namespace consilium::trainer
