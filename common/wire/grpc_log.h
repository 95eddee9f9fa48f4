#pragma once

#include <cstdint>

namespace consilium::wire {

/// Where what gRPC itself reports as an error goes: handshakes that fail, connections that break.
enum class GrpcLog : std::uint8_t {
  kWarning,  ///< into the program's log, as warnings
  kDebug,    ///< into it, for those who look for more: the program says itself what failed
  kNowhere,  ///< a command says what failed in its own words, and prints nothing else
};

/// Keeps gRPC and Protobuf from writing lines of their own form to stderr. Call it before the first channel or server.
void route_grpc_log(GrpcLog where);

}  // namespace consilium::wire
