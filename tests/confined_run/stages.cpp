#include "tests/confined_run/stages.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "client/trainer_process/landlock.h"
#include "client/trainer_process/launch_filter.h"

namespace consilium::trainer {
namespace {

bool enter_namespaces() {
  const auto user = std::to_string(geteuid());
  const auto group = std::to_string(getegid());
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC) == 0) {
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << user << ' ' << user << " 1";
    std::ofstream("/proc/self/gid_map") << group << ' ' << group << " 1";
    return true;
  }
  return unshare(CLONE_NEWNET | CLONE_NEWIPC) == 0;
}

bool drop_capabilities() {
  for (unsigned long capability = 0; capability < 64; ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno == EPERM) break;
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> none{};
  return syscall(SYS_capset, &header, none.data()) == 0;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

std::string failed(std::string_view stage) { return std::string(stage) + ": " + std::strerror(errno); }

}  // namespace

std::string become_confined(const LaunchPlan& plan, const std::set<std::string, std::less<>>& without) {
  const auto arguments = pointers(plan.arguments);
  const auto environment = pointers(plan.environment);
  std::vector<sock_filter> filter = launch_filter(plan.gpu);
  setsid();
  if (chdir("/") != 0) return failed("chdir");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("no_new_privs");
  if (!without.contains("namespaces") && !enter_namespaces()) return failed("namespaces");
  if (!without.contains("landlock")) {
    errno = restrict_self(plan.ruleset.get());
    if (errno != 0) return failed("landlock");
  }
  if (!without.contains("capabilities") && !drop_capabilities()) return failed("capabilities");
  if (!without.contains("filter")) {
    errno = install_launch_filter_without_listener(filter);
    if (errno != 0) return failed("filter");
  }
  execve(plan.program.c_str(), arguments.data(), environment.data());
  return failed("exec of " + plan.program);
}

}  // namespace consilium::trainer
