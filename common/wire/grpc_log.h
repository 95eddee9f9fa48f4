#pragma once

#include <cstdint>

namespace consilium::wire {

/// Where the errors that gRPC itself reports are logged: failed handshakes, broken connections.
enum class GrpcLog : std::uint8_t {
  kWarning,  ///< in the program's log, as warnings
  kDebug,    ///< in the program's log, as debug messages, because the program itself reports failures
  kNowhere,  ///< nowhere, because a command reports failures in its own words and prints nothing else
};

/// Keeps gRPC and Protobuf from writing their own log lines to stderr. Call it before creating the first channel or
/// server.
void route_grpc_log(GrpcLog where);

}  // namespace consilium::wire
