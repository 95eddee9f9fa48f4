#pragma once

#include <span>
#include <utility>

/// What our channels and servers ask of gRPC, as pairs of argument name and value.
namespace consilium::wire {

using ChannelOption = std::pair<const char*, int>;

/// Options of both ends: 1 MiB HTTP/2 frames and 4 MiB of lookahead without bandwidth probes (the fastest over TLS),
/// dead peers found by keepalive pings (10 s, 5 s for the answer).
[[nodiscard]] std::span<const ChannelOption> shared_options();
/// The coordinator's own: handshakes end within 5 s, few streams a connection, small headers, a port of its own.
[[nodiscard]] std::span<const ChannelOption> server_options();
/// The opening side's own: a channel shares its connection with no other.
[[nodiscard]] std::span<const ChannelOption> client_options();

}  // namespace consilium::wire
