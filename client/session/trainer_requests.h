#pragma once

#include <cstdint>
#include <string>

#include "client/trainer/protocol/messages.h"
#include "common/job/job_spec.h"
#include "common/job/round_order.h"

/// What a site asks its trainer for in a job. The daemons and the simulator share this code, so that both train alike.
namespace consilium::session {

/// @param atlas            the site's file of the job's atlas; "" where the job has none
/// @param parameter_count  floats of the model's manifest
/// @param labels           the order's, from which balanced class weights follow
[[nodiscard]] trainer::Prepare prepare_request(const job::JobSpec& job, const trainer::DataSource& data,
                                               const std::string& atlas, std::uint64_t parameter_count,
                                               const task::LabelCounts& labels);

/// @param order  of a round of the job
/// @param site   names the random streams
/// @param seed   the order's, or in mode masked that of the site's own secret
[[nodiscard]] trainer::Train train_request(const job::RoundOrder& order, const job::JobSpec& job, std::string site,
                                           std::uint64_t seed);

}  // namespace consilium::session
