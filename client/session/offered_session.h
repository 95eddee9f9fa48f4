#pragma once

#include <string>

#include "client/session/session_machine.h"
#include "common/wire/messages.h"

namespace consilium::session {

/// Checks a session that the coordinator offers against the job that the site accepted. The order must match the one
/// that the job prescribes, field by field. Other code checks what a job can't prescribe: in mode `masked`, the model's
/// digest, the attempt number, and which sum it follows (masking::GroupSessions::begin()).
/// @param site  this site's name; a sum over a group must be over the site's own group
/// @return the session in its initial state
/// kPermissionDenied if the order isn't the job's; kInvalidArgument if it can't be decoded, or asks for a sum that the
/// job doesn't have.
Result<ActiveSession> check_offer(const wire::SessionOffer& offer, const AcceptedJob& job, const std::string& site);

}  // namespace consilium::session
