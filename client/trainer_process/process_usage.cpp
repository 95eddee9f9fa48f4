#include "client/trainer_process/process_usage.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
#include <string>

namespace consilium::trainer {

namespace {

constexpr std::uint64_t kKibibyte = 1024;

struct Ancestry {
  pid_t process = 0;
  pid_t parent = 0;
  pid_t session = 0;
};

/// Reads /proc/PID/stat (proc(5)); returns nullopt if the process no longer exists.
std::optional<Ancestry> ancestry_of(const std::filesystem::path& folder) {
  const std::string name = folder.filename().string();
  Ancestry found;
  if (std::from_chars(name.data(), name.data() + name.size(), found.process).ec != std::errc()) return std::nullopt;
  std::ifstream file(folder / "stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto end_of_name = text.rfind(')');  // the program's name may contain any character
  if (end_of_name == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(end_of_name + 1));
  char state = 0;
  pid_t group = 0;
  if (!(fields >> state >> found.parent >> group >> found.session)) return std::nullopt;
  return found;
}

}  // namespace

ProcessUsage usage_of(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/status", process));
  ProcessUsage usage;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t number = 0;
    if (!(words >> name >> number)) continue;
    if (name == "VmRSS:" || name == "VmSwap:") usage.memory_bytes += number * kKibibyte;
    if (name == "Threads:") usage.threads = number;
  }
  return usage;
}

std::vector<pid_t> processes_of(pid_t trainer) {
  std::vector<Ancestry> all;
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", problem)) {
    if (const auto one = ancestry_of(entry.path())) all.push_back(*one);
  }
  std::set<pid_t> members{trainer};
  for (std::size_t before = 0; before != members.size();) {
    before = members.size();
    for (const Ancestry& one : all) {
      if (one.session == trainer || members.contains(one.parent)) members.insert(one.process);
    }
  }
  return {members.begin(), members.end()};
}

std::vector<pid_t> with_children(pid_t process) {
  std::ifstream file(fmt::format("/proc/{0}/task/{0}/children", process));
  if (!file) return processes_of(process);
  std::vector<pid_t> members{process};
  for (pid_t child = 0; file >> child;) members.push_back(child);
  return members;
}

ProcessUsage usage_of(const std::vector<pid_t>& processes) {
  ProcessUsage sum;
  for (const pid_t process : processes) {
    const ProcessUsage one = usage_of(process);
    sum.memory_bytes += one.memory_bytes;
    sum.threads += one.threads;
  }
  return sum;
}

}  // namespace consilium::trainer
