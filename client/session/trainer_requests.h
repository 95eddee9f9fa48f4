#pragma once

#include <cstdint>
#include <string>

#include "client/trainer/protocol/messages.h"
#include "common/job/job_spec.h"
#include "common/job/round_order.h"

/// The requests that a site sends to its trainer in a job. The daemons and the simulator share this code, so that both
/// train alike.
namespace consilium::session {

/// @param atlas            the site's file of the job's atlas; "" if the job has none
/// @param parameter_count  number of floats in the model's manifest
/// @param labels           the order's label counts, from which balanced class weights are computed
[[nodiscard]] trainer::Prepare prepare_request(const job::JobSpec& job, const trainer::DataSource& data,
                                               const std::string& atlas, std::uint64_t parameter_count,
                                               const task::LabelCounts& labels);

/// @param order  the order of one of the job's rounds
/// @param site   names the random streams
/// @param seed   the order's seed; in mode masked, a seed derived from the site's own secret
[[nodiscard]] trainer::Train train_request(const job::RoundOrder& order, const job::JobSpec& job, std::string site,
                                           std::uint64_t seed);

}  // namespace consilium::session
