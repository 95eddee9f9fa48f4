#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "client/trainer/protocol/channel.h"
#include "common/error/error.h"

/// Landlock (landlock(7)): what a process may reach of the file system, decided before it runs.
namespace consilium::trainer {

/// The kernel's Landlock version; 0 where it has none.
[[nodiscard]] int landlock_abi();

/// What is left to a confined process; a path that does not exist is passed over.
struct FileAccess {
  std::vector<std::filesystem::path> read;     ///< files and folders
  std::vector<std::filesystem::path> execute;  ///< programs and their loader: read and execute
  std::vector<std::filesystem::path> devices;  ///< read, write and ioctl
};

/// Builds a ruleset that denies everything the kernel's Landlock knows (files, TCP, abstract Unix sockets and signals
/// beyond the process itself) but `access`. Fails with kFailedPrecondition where the kernel has no Landlock.
Result<Descriptor> create_ruleset(const FileAccess& access);

/// Lets the calling process read its own folder in /proc, and applies the ruleset; async-signal-safe. Returns 0 or
/// errno.
int restrict_self(int ruleset);

}  // namespace consilium::trainer
