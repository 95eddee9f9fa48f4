#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/secagg/coordinator_protocol.h"

namespace consilium::simulation {

/// How many of each round's cohort fall silent at a step.
using DropPlan = std::map<secagg::Phase, std::uint32_t>;

/// Reads "share:2" or "advertise:1,unmask:1": steps advertise, share, upload, confirm and unmask.
Result<DropPlan> parse_drop_plan(const std::string& text);

/// Checks that the job's mode has the plan's steps: mode `masked` has advertise and upload alone.
Result<void> check_drop_plan(const DropPlan& plan, const job::JobSpec& job);

/// Draws who falls silent in a round, and at which step: a function of (seed, round, names) alone.
std::map<std::string, secagg::Phase> draw_dropouts(const DropPlan& plan, std::uint64_t seed, std::uint32_t round,
                                                   const std::vector<std::string>& cohort);

}  // namespace consilium::simulation
