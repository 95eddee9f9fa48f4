#pragma once

#include <string>

#include "client/session/session_machine.h"
#include "common/wire/messages.h"

namespace consilium::session {

/// Checks a session that the coordinator offers against the job that the site accepted. The order has to be the one
/// that the job gives, field by field; what a job can't give is looked at elsewhere: in mode `masked` the model's
/// digest, the number of the attempt, and what the sum follows (masking::GroupSessions::begin()).
/// @param site  this site's name: a sum over a group is over its own
/// @return the session as it begins
/// kPermissionDenied where the order isn't the job's; kInvalidArgument where it can't be read, or asks for a sum that
/// the job doesn't have.
Result<ActiveSession> check_offer(const wire::SessionOffer& offer, const AcceptedJob& job, const std::string& site);

}  // namespace consilium::session
