#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "client/trainer/protocol/channel.h"
#include "common/error/error.h"

/// Landlock (landlock(7)) restricts what a process can reach of the file system, before the process runs.
namespace consilium::trainer {

/// Returns the kernel's Landlock ABI version; 0 if the kernel has no Landlock.
[[nodiscard]] int landlock_abi();

/// What a confined process may still access. A path that does not exist is skipped.
struct FileAccess {
  std::vector<std::filesystem::path> read;     ///< files and folders
  std::vector<std::filesystem::path> execute;  ///< programs and their loader: read and execute
  std::vector<std::filesystem::path> devices;  ///< read, write and ioctl
};

/// Builds a ruleset that denies everything that the kernel's Landlock can restrict (files, TCP, abstract Unix sockets
/// and signals outside the process itself) except `access`. Fails with kFailedPrecondition if the kernel has no
/// Landlock.
Result<Descriptor> create_ruleset(const FileAccess& access);

/// Allows the calling process to read its own folder in /proc, then applies the ruleset. Async-signal-safe. Returns 0
/// or errno.
int restrict_self(int ruleset);

}  // namespace consilium::trainer
