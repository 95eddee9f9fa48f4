#pragma once

#include "common/error/error.h"

namespace grpc {
class Status;
}

namespace consilium::wire {

/// Converts an error to the status that is sent. Its message is cleaned and cut (common/wire/text.h).
[[nodiscard]] grpc::Status to_status(const Error& error);

/// Converts a status that isn't OK to an error. UNKNOWN (a connection that broke during a call) becomes kUnavailable;
/// other codes that Consilium never sends become kInternal.
[[nodiscard]] Error error_from(const grpc::Status& status);

}  // namespace consilium::wire
