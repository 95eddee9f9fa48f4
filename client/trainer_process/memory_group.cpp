#include "client/trainer_process/memory_group.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace consilium::trainer {

namespace {

namespace fs = std::filesystem;

bool write_file(const fs::path& file, const std::string& text) {
  const Descriptor target(open(file.c_str(), O_WRONLY | O_CLOEXEC));
  return target && write(target.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

bool has_word(const fs::path& file, std::string_view word) {
  std::ifstream input(file);
  std::string found;
  while (input >> found) {
    if (found == word) return true;
  }
  return false;
}

/// Returns the daemon's own cgroup in the unified hierarchy ("0::/path"); empty if it is in none.
std::string unified_path(const std::string& membership) {
  std::istringstream lines(membership);
  std::string line;
  while (std::getline(lines, line)) {
    if (line.starts_with("0::/")) return line.substr(4);
  }
  return {};
}

}  // namespace

std::optional<MemoryGroup> MemoryGroup::create(const fs::path& mount, const std::string& membership,
                                               const std::string& name, std::uint64_t limit_bytes) {
  const std::string own = unified_path(membership);
  if (own.empty() || own.find("..") != std::string::npos) return std::nullopt;
  // A cgroup with processes can't have children with limits, so the trainer's cgroup is a sibling of the daemon's.
  const fs::path parent = (mount / own).parent_path();
  const fs::path control = parent / "cgroup.subtree_control";
  if (!has_word(control, "memory") && (!write_file(control, "+memory") || !has_word(control, "memory"))) {
    return std::nullopt;
  }
  std::error_code error;
  const fs::path folder = parent / name;
  if (!fs::create_directory(folder, error)) return std::nullopt;
  MemoryGroup group(folder);
  if (!write_file(folder / "memory.max", std::to_string(limit_bytes))) return std::nullopt;
  write_file(folder / "memory.swap.max", "0");
  write_file(folder / "memory.oom.group", "1");
  return group;
}

MemoryGroup::~MemoryGroup() {
  if (!folder_.empty()) rmdir(folder_.c_str());
}

Descriptor MemoryGroup::open_members() const {
  return Descriptor(open((folder_ / "cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
}

bool MemoryGroup::killed_for_memory() const {
  std::ifstream events(folder_ / "memory.events");
  std::string name;
  std::uint64_t count = 0;
  while (events >> name >> count) {
    if (name == "oom_kill" && count > 0) return true;
  }
  return false;
}

}  // namespace consilium::trainer
