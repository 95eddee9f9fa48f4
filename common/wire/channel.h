#pragma once

#include <memory>
#include <string>

#include "common/error/error.h"

namespace grpc {
class Channel;
class ChannelCredentials;
}  // namespace grpc

namespace consilium::wire {

/// Creates a channel with Consilium's options and its own connection. It connects at the first call.
/// @param target  "host:port" of the coordinator
/// @param server_name  name in the coordinator's certificate, if it isn't the target's host
/// @param proxy   "http://host:port" of an HTTP CONNECT proxy. Empty: no proxy, whatever the environment variables say.
[[nodiscard]] std::shared_ptr<grpc::Channel> make_channel(const std::string& target, const std::string& server_name,
                                                          const std::string& proxy,
                                                          const std::shared_ptr<grpc::ChannelCredentials>& credentials);

/// Checks a proxy's address from the configuration.
Result<void> check_proxy(const std::string& proxy);

}  // namespace consilium::wire
