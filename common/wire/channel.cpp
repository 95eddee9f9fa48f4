#include "common/wire/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cctype>

#include "common/wire/channel_options.h"
#include "common/wire/limits.h"

namespace consilium::wire {

namespace {

grpc::ChannelArguments arguments_of(const std::string& server_name, const std::string& proxy) {
  grpc::ChannelArguments arguments;
  for (const auto& [name, value] : shared_options()) arguments.SetInt(name, value);
  for (const auto& [name, value] : client_options()) arguments.SetInt(name, value);
  if (!server_name.empty()) arguments.SetSslTargetNameOverride(server_name);
  if (proxy.empty()) {
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  } else {
    arguments.SetString(GRPC_ARG_HTTP_PROXY, proxy);
  }
  return arguments;
}

}  // namespace

std::shared_ptr<grpc::Channel> make_channel(const std::string& target, const std::string& server_name,
                                            const std::string& proxy,
                                            const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  return grpc::CreateCustomChannel(target, credentials, arguments_of(server_name, proxy));
}

Result<void> check_proxy(const std::string& proxy) {
  constexpr std::string_view kScheme = "http://";
  if (proxy.empty()) return {};
  const auto colon = proxy.rfind(':');
  const bool has_port = colon != std::string::npos && colon > kScheme.size() && colon + 1 < proxy.size() &&
                        proxy.size() - colon <= 6 &&
                        std::all_of(proxy.begin() + static_cast<std::ptrdiff_t>(colon) + 1, proxy.end(),
                                    [](unsigned char digit) { return std::isdigit(digit) != 0; });
  if (proxy.starts_with(kScheme) && has_port) return {};
  // The error doesn't quote the value, because it could contain a password.
  return fail(ErrorCode::kInvalidArgument, "proxy: expected http://host:port, without a user and password");
}

}  // namespace consilium::wire
