#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/secagg/coordinator_protocol.h"

namespace consilium::simulation {

/// How many sites of each round's cohort drop out at a step.
using DropPlan = std::map<secagg::Phase, std::uint32_t>;

/// Reads "share:2" or "advertise:1,unmask:1": steps advertise, share, upload, confirm and unmask.
Result<DropPlan> parse_drop_plan(const std::string& text);

/// Checks that the job's mode has the plan's steps: mode `masked` has only advertise and upload.
Result<void> check_drop_plan(const DropPlan& plan, const job::JobSpec& job);

/// Draws which sites drop out in a round, and at which step. A function of (seed, round, names) alone.
std::map<std::string, secagg::Phase> draw_dropouts(const DropPlan& plan, std::uint64_t seed, std::uint32_t round,
                                                   const std::vector<std::string>& cohort);

}  // namespace consilium::simulation
