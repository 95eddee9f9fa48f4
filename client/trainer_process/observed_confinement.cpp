#include "client/trainer_process/observed_confinement.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

namespace consilium::trainer {

namespace {

/// The fields of /proc/PID/status, by name.
using Status = std::map<std::string, std::string>;

Status read_status(std::string_view process) {
  std::ifstream file(fmt::format("/proc/{}/status", process));
  Status status;
  std::string name;
  std::string value;
  while (std::getline(file, name, ':') && std::getline(file >> std::ws, value)) status[name] = value;
  return status;
}

/// Returns the number of a process's seccomp filters. Kernels before 5.9 don't count them: then returns 1 if there are
/// any.
unsigned long filters(const Status& status) {
  const auto mode = status.find("Seccomp");
  if (mode == status.end() || mode->second != "2") return 0;
  const auto count = status.find("Seccomp_filters");
  return count == status.end() ? 1 : std::stoul(count->second);
}

bool is_other(std::string_view process, std::string_view kind) {
  std::error_code problem;
  const auto theirs = std::filesystem::read_symlink(fmt::format("/proc/{}/ns/{}", process, kind), problem);
  if (problem) return false;
  return theirs != std::filesystem::read_symlink(fmt::format("/proc/self/ns/{}", kind), problem) && !problem;
}

}  // namespace

ObservedConfinement observe_confinement(pid_t process) {
  const std::string number = std::to_string(process);
  const Status status = read_status(number);
  const auto is = [&status](const std::string& name, std::string_view value) {
    const auto found = status.find(name);
    return found != status.end() && found->second == value;
  };
  ObservedConfinement seen;
  seen.no_new_privileges = is("NoNewPrivs", "1");
  seen.system_call_filter = filters(status) > filters(read_status("self"));
  seen.no_capabilities = std::ranges::all_of(std::array{"CapInh", "CapPrm", "CapEff", "CapAmb"},
                                             [&](const char* set) { return is(set, "0000000000000000"); });
  seen.own_network = is_other(number, "net");
  seen.own_ipc = is_other(number, "ipc");
  return seen;
}

Result<void> check_confined(pid_t process) {
  const ObservedConfinement seen = observe_confinement(process);
  std::string missing;
  const auto demand = [&missing](bool there, std::string_view name) {
    if (!there) missing += (missing.empty() ? "" : ", ") + std::string(name);
  };
  demand(seen.no_new_privileges, "no_new_privs");              // check: trainer-no-new-privs
  demand(seen.system_call_filter, "seccomp filter");           // check: trainer-seccomp
  demand(seen.no_capabilities, "empty capability sets");       // check: trainer-capabilities
  demand(seen.own_network, "a network namespace of its own");  // check: trainer-network
  demand(seen.own_ipc, "an IPC namespace of its own");         // check: trainer-ipc
  if (missing.empty()) return {};
  return fail(ErrorCode::kFailedPrecondition,
              fmt::format("the trainer's process runs without the confinement that policy.yaml requires; the kernel "
                          "shows that it lacks: {}. docs/hospital-it/trainer.md lists what the kernel has to support",
                          missing));
}

}  // namespace consilium::trainer
