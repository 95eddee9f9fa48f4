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

/// Mutual TLS for gRPC: a single root, certificates at both ends, only TLS 1.3, and revocation and renewal without a
/// restart.
namespace consilium::wire {

/// Forbids TLS 1.2. It must be the first call in every main that uses gRPC, because gRPC reads its setting only once,
/// and because the environment can be set safely only while there is one thread. The functions below fail without it.
void restrict_to_tls13();

/// One end's PEM files. They are all read again when they change.
struct TlsFiles {
  std::filesystem::path root;  ///< the consortium's root.pem, the only trusted root
  std::filesystem::path certificate;
  std::filesystem::path key;              ///< mode 0600
  std::filesystem::path revocation_list;  ///< crl.pem; empty: nothing is ever revoked
  std::filesystem::path list_memory{};    ///< folder for the newest list seen; empty: remembered in memory only
};

/// Called with the reason for each certificate that the handshake refuses, in a form suitable for the log. (gRPC itself
/// drops a client without a certificate, and a server with a foreign root.) Called from gRPC's threads; must not block.
using RefusedPeer = std::function<void(const Error&)>;

/// A server's credentials for gRPC, and what its handlers need to check each call again.
struct ServerTls {
  std::shared_ptr<grpc::ServerCredentials> credentials;
  std::shared_ptr<const pki::TrustStore> trust;
  pki::Identity self;
};

/// Creates a coordinator's credentials. The handshake refuses a client without a certificate, with a certificate of
/// another root, expired or revoked, or with a role that isn't among `roles`. Fails if the files don't belong together,
/// or if the certificate isn't a coordinator's or has expired.
Result<ServerTls> make_server_tls(const TlsFiles& files, const std::vector<pki::Role>& roles, RefusedPeer refused);

/// Creates the credentials of a site, researcher or operator. Before any call, the server must prove that it is a
/// coordinator of the same consortium with a certificate for `server_name` (empty: the host in the channel's target)
/// that isn't revoked.
/// @param proved  called for every server that proved its identity, before the server has checked our own certificate
Result<std::shared_ptr<grpc::ChannelCredentials>> make_channel_credentials(const TlsFiles& files,
                                                                           const std::string& server_name,
                                                                           RefusedPeer refused,
                                                                           std::function<void()> proved = nullptr);

/// Identifies the caller, and checks the certificate again: a certificate that was revoked or expired after the
/// handshake is refused.
Result<pki::Identity> identity_of_peer(const grpc::AuthContext& peer, const pki::TrustStore& trust,
                                       const std::vector<pki::Role>& roles);

/// Returns when the caller's certificate expires, in UTC seconds.
Result<std::time_t> end_of_peer(const grpc::AuthContext& peer);

}  // namespace consilium::wire
