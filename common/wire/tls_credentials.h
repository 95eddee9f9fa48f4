#pragma once

#include <ctime>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/error/error.h"
#include "common/pki/identity.h"
#include "common/pki/trust.h"

namespace grpc {
class AuthContext;
class ChannelCredentials;
class ServerCredentials;
}  // namespace grpc

/// Mutual TLS for gRPC: one root, both ends with a certificate, revocation and renewal without a restart, TLS 1.3
/// alone.
namespace consilium::wire {

/// Bars TLS 1.2. The first line of every main that speaks gRPC: gRPC reads its setting once, and the environment may
/// only be set while there is one thread. The functions below refuse to work without it.
void restrict_to_tls13();

/// One end's PEM files. All are read again when they change.
struct TlsFiles {
  std::filesystem::path root;  ///< the consortium's root.pem, the only root that counts
  std::filesystem::path certificate;
  std::filesystem::path key;              ///< mode 0600
  std::filesystem::path revocation_list;  ///< crl.pem; empty: nothing is ever revoked
  std::filesystem::path list_memory{};    ///< folder that remembers the newest list seen; empty: this process alone
};

/// Hears of every certificate that the handshake refuses, and why: fit for the log. (A client without one, and a server
/// of a foreign root, gRPC drops by itself.) Called from gRPC's threads; must not block.
using RefusedPeer = std::function<void(const Error&)>;

/// A server's side: what gRPC needs, and what its handlers ask again on each call.
struct ServerTls {
  std::shared_ptr<grpc::ServerCredentials> credentials;
  std::shared_ptr<const pki::TrustStore> trust;
  pki::Identity self;
};

/// Makes a coordinator's credentials. A client without a certificate, of another root, expired, revoked, or of a role
/// not among `roles` is refused in the handshake. Fails where the files do not fit together, the certificate is no
/// coordinator's, or it has ended.
Result<ServerTls> make_server_tls(const TlsFiles& files, const std::vector<pki::Role>& roles, RefusedPeer refused);

/// Makes the credentials of a site, researcher or operator. The server must prove to be a coordinator of the same
/// consortium, not revoked, with a certificate for `server_name` (empty: the host in the channel's target); no call
/// reaches it before.
Result<std::shared_ptr<grpc::ChannelCredentials>> make_channel_credentials(const TlsFiles& files,
                                                                           const std::string& server_name,
                                                                           RefusedPeer refused);

/// Says who makes a call, checking the certificate anew: one revoked or ended since the handshake is refused here.
Result<pki::Identity> identity_of_peer(const grpc::AuthContext& peer, const pki::TrustStore& trust,
                                       const std::vector<pki::Role>& roles);

/// When the certificate of whoever makes a call ends, UTC seconds.
Result<std::time_t> end_of_peer(const grpc::AuthContext& peer);

}  // namespace consilium::wire
