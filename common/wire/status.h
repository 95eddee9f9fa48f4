#pragma once

#include "common/error/error.h"

namespace grpc {
class Status;
}

namespace consilium::wire {

/// Maps an error to the status that crosses the wire; its message is cleaned and cut (common/wire/text.h).
[[nodiscard]] grpc::Status to_status(const Error& error);

/// Maps a status that isn't OK to an error. Codes that our own ends never send become kInternal, but UNKNOWN
/// (a connection that broke under a call) kUnavailable.
[[nodiscard]] Error error_from(const grpc::Status& status);

}  // namespace consilium::wire
