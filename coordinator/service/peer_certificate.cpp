#include "coordinator/service/peer_certificate.h"

#include <grpcpp/security/auth_context.h>
#include <grpcpp/server_context.h>

#include <utility>

#include "common/wire/tls_credentials.h"

namespace consilium::service {

PeerCertificate::PeerCertificate(std::shared_ptr<const pki::TrustStore> trust,
                                 const grpc::CallbackServerContext& context, pki::Role role)
    : trust_(std::move(trust)),
      peer_(context.auth_context()),
      role_(role),
      end_(wire::end_of_peer(*peer_).value_or(0)) {}

Result<void> PeerCertificate::check() {
  const auto version = trust_->version();
  if (!version || (*version == seen_ && std::time(nullptr) < end_)) return {};
  const auto identity = wire::identity_of_peer(*peer_, *trust_, {role_});
  const auto after = trust_->version();
  if (!after || *after != *version) return {};  // the files changed in the meantime: the next check decides
  seen_ = *version;
  if (!identity) return fail(identity.error());
  return {};
}

}  // namespace consilium::service
