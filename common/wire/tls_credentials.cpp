#include "common/wire/tls_credentials.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <cstdlib>
#include <utility>

#include "common/pki/authority.h"
#include "common/pki/own_certificate.h"

namespace consilium::wire {
namespace {

namespace tls = grpc::experimental;

// gRPC 1.51 has no option for the lowest version. With only RSA suites allowed, TLS 1.2 finds no cipher for ECDSA keys.
// The suites of TLS 1.3 are configured separately and don't change.
constexpr const char* kSuitesVariable = "GRPC_SSL_CIPHER_SUITES";
constexpr const char* kNoSuiteForEcdsa = "ECDHE-RSA-AES256-GCM-SHA384";
constexpr unsigned kReloadSeconds = 2;

std::string text_of(grpc::string_ref text) { return {text.data(), text.size()}; }

/// Checks the peer's certificate against our root and revocation list, before any call. gRPC could read revocation
/// lists too, but it carries on if it finds none, and reads each only once.
class PeerVerifier final : public tls::ExternalCertificateVerifier {
 public:
  struct Terms {
    std::shared_ptr<const pki::TrustStore> trust;
    std::vector<pki::Role> roles;
    bool check_host = false;
    std::string server_name;  ///< empty: the host in the channel's target
    RefusedPeer refused;
    std::function<void()> accepted{};
  };

  explicit PeerVerifier(Terms terms) : terms_(std::move(terms)) {}

  bool Verify(tls::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* status) override {
    if (const Result<void> good = check(*request); !good) {
      if (terms_.refused) {
        terms_.refused(good.error());
      }
      *status = grpc::Status(grpc::StatusCode::UNAUTHENTICATED, good.error().message);
    } else if (terms_.accepted) {
      terms_.accepted();
    }
    return true;
  }
  void Cancel(tls::TlsCustomVerificationCheckRequest*) override {}

 private:
  Result<void> check(const tls::TlsCustomVerificationCheckRequest& request) const {
    const std::string certificate = text_of(request.peer_cert());
    CONSILIUM_ASSIGN(const pki::Identity identity, terms_.trust->authenticate(certificate, terms_.roles));
    if (terms_.check_host) {
      const std::string name = terms_.server_name.empty() ? text_of(request.target_name()) : terms_.server_name;
      if (auto covered = pki::check_certificate_host(certificate, name); !covered) {
        return fail(covered.error().within(pki::to_uri(identity)));
      }
    }
    return {};
  }

  Terms terms_;
};

/// One end whose files belong together.
struct OwnEnd {
  std::shared_ptr<pki::TrustStore> trust;
  pki::Identity self;
};

Result<OwnEnd> check_own_end(const TlsFiles& files, const std::vector<pki::Role>& roles) {
  const char* suites = std::getenv(kSuitesVariable);
  if (suites == nullptr || std::string_view(suites) != kNoSuiteForEcdsa) {
    return fail(ErrorCode::kFailedPrecondition, "TLS 1.2 is not disabled: main must call restrict_to_tls13() first");
  }
  OwnEnd end;
  CONSILIUM_ASSIGN(end.trust,
                   pki::TrustStore::open(files.root, files.revocation_list, pki::TrustOptions{files.list_memory}));
  CONSILIUM_ASSIGN(const std::string pem, pki::check_key_pair(files.certificate, files.key));
  auto self = end.trust->authenticate(pem, roles);
  if (!self) {
    const std::string file = files.certificate.string();
    const auto ended = pki::end_of_certificate(pem);
    if (self.error().message.find("certificate revoked") != std::string::npos) {
      return fail(self.error().code, self.error().within(file).message +
                                         "; its key is never accepted again. Ask the people who run the "
                                         "consortium's authority why; to go on, this member needs a new key");
    }
    if (!ended || *ended > std::time(nullptr)) return fail(self.error().within(file));
    const auto remedy = pki::end_warning(file + ": this certificate", *ended, std::time(nullptr));
    return fail(self.error().code, self.error().message + ". " + remedy.value_or(file));
  }
  end.self = *self;
  return end;
}

std::shared_ptr<tls::CertificateProviderInterface> watch(const TlsFiles& files) {
  return std::make_shared<tls::FileWatcherCertificateProvider>(files.key.string(), files.certificate.string(),
                                                               files.root.string(), kReloadSeconds);
}

}  // namespace

void restrict_to_tls13() { setenv(kSuitesVariable, kNoSuiteForEcdsa, 1); }

Result<ServerTls> make_server_tls(const TlsFiles& files, const std::vector<pki::Role>& roles, RefusedPeer refused) {
  CONSILIUM_ASSIGN(OwnEnd end, check_own_end(files, {pki::Role::kCoordinator}));
  tls::TlsServerCredentialsOptions options(watch(files));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  // gRPC demands the certificate and proof of its key. The verifier below checks everything else before any call, and
  // can report who was refused and why, which gRPC's own check can't.
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);
  options.set_certificate_verifier(tls::ExternalCertificateVerifier::Create<PeerVerifier>(
      PeerVerifier::Terms{end.trust, roles, false, "", std::move(refused)}));
  return ServerTls{tls::TlsServerCredentials(options), end.trust, end.self};
}

Result<std::shared_ptr<grpc::ChannelCredentials>> make_channel_credentials(const TlsFiles& files,
                                                                           const std::string& server_name,
                                                                           RefusedPeer refused,
                                                                           std::function<void()> proved) {
  CONSILIUM_ASSIGN(OwnEnd end, check_own_end(files, {pki::Role::kSite, pki::Role::kResearcher, pki::Role::kOperator}));
  tls::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(watch(files));
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
  options.set_verify_server_certs(
      true);                           // before our own certificate goes out, so that a stranger doesn't learn our name
  options.set_check_call_host(false);  // the verifier checks the connection's host
  options.set_certificate_verifier(tls::ExternalCertificateVerifier::Create<PeerVerifier>(PeerVerifier::Terms{
      end.trust, {pki::Role::kCoordinator}, true, server_name, std::move(refused), std::move(proved)}));
  return tls::TlsCredentials(options);
}

namespace {

/// Returns the only certificate that a peer presented.
Result<std::string> certificate_of(const grpc::AuthContext& peer) {
  const std::vector<grpc::string_ref> certificates = peer.FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (!peer.IsPeerAuthenticated() || certificates.size() != 1) {
    return fail(ErrorCode::kUnauthenticated, "the peer presented no certificate");
  }
  return text_of(certificates.front());
}

}  // namespace

Result<pki::Identity> identity_of_peer(const grpc::AuthContext& peer, const pki::TrustStore& trust,
                                       const std::vector<pki::Role>& roles) {
  CONSILIUM_ASSIGN(const std::string certificate, certificate_of(peer));
  return trust.authenticate(certificate, roles);
}

Result<std::time_t> end_of_peer(const grpc::AuthContext& peer) {
  CONSILIUM_ASSIGN(const std::string certificate, certificate_of(peer));
  return pki::end_of_certificate(certificate);
}

}  // namespace consilium::wire
