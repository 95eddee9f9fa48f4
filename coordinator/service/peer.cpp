#include <grpcpp/server_context.h>

#include "common/logging/event.h"
#include "common/wire/status.h"
#include "common/wire/text.h"
#include "common/wire/tls_credentials.h"
#include "coordinator/service/service_parts.h"

namespace consilium::service {

namespace {

Result<pki::Identity> identify(const ServiceParts& parts, const grpc::CallbackServerContext& context,
                               const std::vector<pki::Role>& roles) {
  const auto peer = context.auth_context();
  if (!peer) return fail(ErrorCode::kUnauthenticated, "the peer presented no certificate");
  CONSILIUM_ASSIGN(auto identity, wire::identity_of_peer(*peer, *parts.trust, roles));
  if (identity.consortium != parts.consortium) {
    return fail(ErrorCode::kUnauthenticated, "consortium " + identity.consortium + " is not " + parts.consortium);
  }
  return identity;
}

}  // namespace

Result<pki::Identity> authenticate(const ServiceParts& parts, const grpc::CallbackServerContext& context,
                                   const std::vector<pki::Role>& roles) {
  auto identity = identify(parts, context, roles);
  if (!identity)
    logging::event(logging::Event::kPeerRefused, {},
                   "refused " + context.peer() + ": " + wire::clean_text(identity.error().message, 512));
  return identity;
}

grpc::Status refuse(const grpc::CallbackServerContext& context, const std::string& who, const Error& error) {
  // A healthy peer can ask for something that doesn't exist, or for more than its quota. Warn only of distrusted peers.
  const bool distrusted = error.code == ErrorCode::kUnauthenticated || error.code == ErrorCode::kPermissionDenied;
  logging::event(distrusted ? logging::Event::kPeerRefused : logging::Event::kCallRefused, {},
                 "refused " + who + " at " + context.peer() + ": " + wire::clean_text(error.message, 512));
  return wire::to_status(error);
}

}  // namespace consilium::service
