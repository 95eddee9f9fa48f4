#pragma once

#include <span>
#include <utility>

/// The gRPC options of Consilium's channels and servers, as pairs of argument name and value.
namespace consilium::wire {

using ChannelOption = std::pair<const char*, int>;

/// Returns the options of both ends: 1 MiB HTTP/2 frames and 4 MiB of lookahead without bandwidth probes (the fastest
/// over TLS), small headers, and keepalive pings to detect dead peers (every 10 s, with 5 s for the answer).
[[nodiscard]] std::span<const ChannelOption> shared_options();
/// Returns the coordinator's own options: handshakes within 5 s, few streams for each connection, and a port that isn't
/// shared.
[[nodiscard]] std::span<const ChannelOption> server_options();
/// Returns the client side's own options: a channel shares its connection with no other, and gRPC doesn't retry calls.
[[nodiscard]] std::span<const ChannelOption> client_options();

}  // namespace consilium::wire
