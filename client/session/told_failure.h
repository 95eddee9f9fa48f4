#pragma once

#include <string>

#include "client/session/session_machine.h"
#include "common/error/error.h"
#include "common/wire/messages.h"

namespace consilium::session {

/// Says for this site's own log which step of which session failed, and why.
[[nodiscard]] std::string words_for_log(const ActiveSession& session, const Error& error);

/// Returns what the coordinator hears of a failure: the step and the error's code. The error's words stay here, for
/// they may name files, columns and counts of this site's data. Of a masked session it hears a code alone, and the same
/// one however the work failed, since that is the trainer's to choose, which sees the images.
[[nodiscard]] wire::SessionFailed what_is_told(const ActiveSession& session, const Error& error);

}  // namespace consilium::session
