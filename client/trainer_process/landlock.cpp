#include "client/trainer_process/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace consilium::trainer {

namespace {

// The installed kernel header may be older than the running kernel, so the rights added after Landlock's first version
// are defined here, with the numbers in include/uapi/linux/landlock.h.
constexpr std::uint64_t kRefer = std::uint64_t{1} << 13;         // ABI 2
constexpr std::uint64_t kTruncate = std::uint64_t{1} << 14;      // ABI 3
constexpr std::uint64_t kIoctlDevice = std::uint64_t{1} << 15;   // ABI 5
constexpr std::uint64_t kTcpBindAndConnect = 0b11;               // ABI 4
constexpr std::uint64_t kScopeAbstractSocketsAndSignals = 0b11;  // ABI 6
constexpr std::uint64_t kFirstFileRights = (std::uint64_t{1} << 13) - 1;

struct RulesetAttributes {
  std::uint64_t files = 0;
  std::uint64_t network = 0;
  std::uint64_t scoped = 0;
};

/// What one ABI version can restrict.
struct Denied {
  RulesetAttributes attributes;
  std::size_t size;  ///< size in bytes of the attributes that this version knows
};

Denied denied_by(int abi) {
  Denied denied{{kFirstFileRights, 0, 0}, sizeof(std::uint64_t)};
  if (abi >= 2) denied.attributes.files |= kRefer;
  if (abi >= 3) denied.attributes.files |= kTruncate;
  if (abi >= 5) denied.attributes.files |= kIoctlDevice;
  if (abi >= 4) {
    denied.attributes.network = kTcpBindAndConnect;
    denied.size = 2 * sizeof(std::uint64_t);
  }
  if (abi >= 6) {
    denied.attributes.scoped = kScopeAbstractSocketsAndSignals;
    denied.size = 3 * sizeof(std::uint64_t);
  }
  return denied;
}

constexpr std::uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t kExecute = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE;
constexpr std::uint64_t kDevice = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | kIoctlDevice;

Result<void> allow(int ruleset, const std::filesystem::path& path, std::uint64_t rights) {
  const Descriptor place(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!place) return {};
  struct stat status {};
  if (fstat(place.get(), &status) != 0) return {};
  landlock_path_beneath_attr rule{};
  rule.parent_fd = place.get();
  rule.allowed_access = S_ISDIR(status.st_mode) ? rights : rights & ~std::uint64_t{LANDLOCK_ACCESS_FS_READ_DIR};
  if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
    return fail(ErrorCode::kInternal,
                fmt::format("Landlock: cannot allow '{}': {}", path.string(), std::strerror(errno)));
  }
  return {};
}

}  // namespace

int landlock_abi() {
  const long abi = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi > 0 ? static_cast<int>(abi) : 0;
}

Result<Descriptor> create_ruleset(const FileAccess& access) {
  const int abi = landlock_abi();
  if (abi < 1) {
    return fail(ErrorCode::kFailedPrecondition,
                "the kernel has no Landlock (Linux 5.13 with CONFIG_SECURITY_LANDLOCK, 'landlock' among its lsm=)");
  }
  const Denied denied = denied_by(abi);
  Descriptor ruleset(static_cast<int>(syscall(SYS_landlock_create_ruleset, &denied.attributes, denied.size, 0)));
  if (!ruleset)
    return fail(ErrorCode::kInternal, fmt::format("Landlock: cannot build rules: {}", std::strerror(errno)));
  const std::uint64_t known = denied.attributes.files;
  for (const auto& path : access.read) CONSILIUM_TRY(allow(ruleset.get(), path, kRead & known));
  for (const auto& path : access.execute) CONSILIUM_TRY(allow(ruleset.get(), path, kExecute & known));
  for (const auto& path : access.devices) CONSILIUM_TRY(allow(ruleset.get(), path, kDevice & known));
  return ruleset;
}

int restrict_self(int ruleset) {
  const int own = open("/proc/self", O_PATH | O_CLOEXEC);
  if (own >= 0) {
    landlock_path_beneath_attr rule{};
    rule.parent_fd = own;
    rule.allowed_access = kRead;
    syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(own);
  }
  return syscall(SYS_landlock_restrict_self, ruleset, 0) == 0 ? 0 : errno;
}

}  // namespace consilium::trainer
