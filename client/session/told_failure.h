#pragma once

#include <string>

#include "client/session/session_machine.h"
#include "common/error/error.h"
#include "common/wire/messages.h"

namespace consilium::session {

/// Describes for this site's own log which step of which session failed, and why.
[[nodiscard]] std::string words_for_log(const ActiveSession& session, const Error& error);

/// Returns what the coordinator is told about a failure: the step and the error's code. The error's message stays here,
/// because it may name files, columns and counts of this site's data. For a masked session, the coordinator gets only a
/// code. If the work failed, that code is always the same, because the trainer, which sees the images, could otherwise
/// choose it.
[[nodiscard]] wire::SessionFailed what_is_told(const ActiveSession& session, const Error& error);

}  // namespace consilium::session
