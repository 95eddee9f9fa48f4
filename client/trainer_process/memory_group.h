#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "client/trainer/protocol/channel.h"

namespace consilium::trainer {

/// A cgroup v2 for one trainer, with a memory limit; removed when this object is destroyed. It can be created only if
/// the daemon's own cgroup lies in a delegated one that has the memory controller (systemd: Delegate=memory,
/// DelegateSubgroup=daemon).
class MemoryGroup {
 public:
  /// @param mount       where cgroup v2 is mounted, /sys/fs/cgroup
  /// @param membership  the text of /proc/self/cgroup
  /// @return nullopt if there is no such cgroup, or if its memory can't be limited
  static std::optional<MemoryGroup> create(const std::filesystem::path& mount, const std::string& membership,
                                           const std::string& name, std::uint64_t limit_bytes);
  MemoryGroup(MemoryGroup&& other) noexcept : folder_(std::exchange(other.folder_, {})) {}
  MemoryGroup& operator=(MemoryGroup&& other) noexcept {
    std::swap(folder_, other.folder_);
    return *this;
  }
  ~MemoryGroup();

  /// Opens cgroup.procs for the child, which enters the cgroup by writing "0" to it.
  [[nodiscard]] Descriptor open_members() const;
  /// Returns true if the kernel killed a member because of the memory limit.
  [[nodiscard]] bool killed_for_memory() const;

 private:
  explicit MemoryGroup(std::filesystem::path folder) : folder_(std::move(folder)) {}
  std::filesystem::path folder_;
};

}  // namespace consilium::trainer
