#include "common/wire/channel_options.h"

#include <grpc/grpc.h>

#include "common/wire/limits.h"

namespace consilium::wire {

namespace {

constexpr ChannelOption kShared[] = {
    {GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, static_cast<int>(kMaxMessageBytes)},
    {GRPC_ARG_HTTP2_MAX_FRAME_SIZE, static_cast<int>(kChunkBytes)},
    {GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 4 << 20},
    {GRPC_ARG_HTTP2_BDP_PROBE, 0},
    {GRPC_ARG_KEEPALIVE_TIME_MS, 10'000},
    {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000},
    {GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1},
    {GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0},
    {GRPC_ARG_MAX_METADATA_SIZE, 8 << 10},
};

constexpr ChannelOption kServer[] = {
    {GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 5'000},
    {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000},
    {GRPC_ARG_MAX_CONCURRENT_STREAMS, 32},
    {GRPC_ARG_ALLOW_REUSEPORT, 0},
};

constexpr ChannelOption kClient[] = {
    {GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1},
    {GRPC_ARG_ENABLE_RETRIES, 0},
};

}  // namespace

std::span<const ChannelOption> shared_options() { return kShared; }
std::span<const ChannelOption> server_options() { return kServer; }
std::span<const ChannelOption> client_options() { return kClient; }

}  // namespace consilium::wire
