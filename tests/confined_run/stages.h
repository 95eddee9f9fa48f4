#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "client/trainer_process/launch.h"

/// The parts of the daemon's confinement, applied one by one by the rules that the daemon uses, so that a run can leave
/// one out.
namespace consilium::trainer {

/// The names that `--without` takes, in the order in which the daemon applies them.
inline constexpr std::string_view kStages[] = {"namespaces", "landlock", "capabilities", "filter"};

/// Confines the calling process by every stage but those left out, and runs the plan's program in it; descriptors 0 to
/// 3 stay. Returns what failed, with errno's text: it returns only then.
std::string become_confined(const LaunchPlan& plan, const std::set<std::string, std::less<>>& without);

}  // namespace consilium::trainer
