#pragma once

#include <memory>
#include <string>

#include "common/error/error.h"

namespace grpc {
class Channel;
class ChannelCredentials;
}  // namespace grpc

namespace consilium::wire {

/// Makes a channel with our options and a connection of its own; it connects at the first call.
/// @param target  "host:port" of the coordinator
/// @param server_name  what its certificate is for, where that isn't the target's host
/// @param proxy   "http://host:port" of an HTTP CONNECT proxy, or empty: then none, whatever the environment says
[[nodiscard]] std::shared_ptr<grpc::Channel> make_channel(const std::string& target, const std::string& server_name,
                                                          const std::string& proxy,
                                                          const std::shared_ptr<grpc::ChannelCredentials>& credentials);

/// Checks a proxy's address as the configuration gives it.
Result<void> check_proxy(const std::string& proxy);

}  // namespace consilium::wire
