#pragma once

#include <span>

#include "common/error/error.h"
#include "common/report/report_files.h"
#include "common/task/bootstrap.h"
#include "simulation/simulator.h"

/// Derives results from models that were evaluated patient by patient: metrics, and intervals drawn from the job's
/// seed.
namespace consilium::simulation {

/// Returns the comparison of the evaluated models, which come in this order: pooled, each site alone, ensemble,
/// federated.
Result<report::Comparison> comparison_of(const Simulator::Job& job, const Arms& arms,
                                         std::span<const task::EvaluatedPatients> patients);

/// Returns the comparison of a federation's model and of one that was fine-tuned from it, in this order.
Result<report::Comparison> personal_comparison_of(const Simulator::Job& job,
                                                  std::span<const task::EvaluatedPatients> patients);

}  // namespace consilium::simulation
