#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "client/trainer_process/launch.h"

/// The parts of the daemon's confinement. They are applied one by one by the daemon's own rules, so that a run can
/// leave one out.
namespace consilium::trainer {

/// The names that `--without` takes, in the order in which the daemon applies them.
inline constexpr std::string_view kStages[] = {"namespaces", "landlock", "capabilities", "filter"};

/// Confines the calling process by every stage but those left out, and runs the plan's program in it. Descriptors 0 to
/// 3 stay open. Returns only on failure: what failed, with errno's text.
std::string become_confined(const LaunchPlan& plan, const std::set<std::string, std::less<>>& without);

}  // namespace consilium::trainer
