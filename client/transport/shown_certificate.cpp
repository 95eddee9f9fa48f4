#include "client/transport/shown_certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string_view>
#include <thread>

#include "common/crypto/openssl.h"
#include "common/crypto/x509.h"

namespace consilium::transport {
namespace {

using ContextPtr = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using ConnectionPtr = std::unique_ptr<SSL, decltype(&SSL_free)>;

constexpr std::size_t kMaxProxyAnswer = 8192;

/// Keeps the certificate, and breaks the handshake off by returning 0.
int note_certificate(X509_STORE_CTX* context, void* to) {
  const X509* shown = X509_STORE_CTX_get0_cert(context);
  if (shown != nullptr) static_cast<crypto::CertificatePtr*>(to)->reset(X509_dup(shown));
  return 0;
}

Result<void> ask_proxy(BIO* connection, const std::string& address) {
  const std::string request = "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n";
  if (BIO_write(connection, request.data(), static_cast<int>(request.size())) != static_cast<int>(request.size()))
    return fail(ErrorCode::kUnavailable, "the proxy closed the connection");
  std::string answer;
  while (!answer.ends_with("\r\n\r\n")) {
    char byte = 0;
    if (answer.size() >= kMaxProxyAnswer || BIO_read(connection, &byte, 1) != 1)
      return fail(ErrorCode::kUnavailable, "the proxy gave no answer");
    answer.push_back(byte);
  }
  if (answer.substr(0, answer.find("\r\n")).find(" 200") == std::string::npos)
    return fail(ErrorCode::kUnavailable, "the proxy refused the connection");
  return {};
}

/// Shuts a socket down after a time, unless it is destroyed before: a limit for one read wouldn't end a peer that sends
/// a byte now and then.
class ShutdownTimer {
 public:
  ShutdownTimer(int socket, std::chrono::seconds limit)
      : thread_([socket, limit](const std::stop_token& stop) {
          std::mutex mutex;
          std::condition_variable_any never;
          std::unique_lock lock(mutex);
          never.wait_for(lock, stop, limit, [] { return false; });
          if (!stop.stop_requested()) ::shutdown(socket, SHUT_RDWR);
        }) {}

 private:
  std::jthread thread_;
};

/// Connects to the address.
/// @param timer  set once there is a socket; must be reset before the connection is closed
Result<crypto::BioPtr> connect(const std::string& address, const std::string& proxy, std::chrono::seconds limit,
                               std::optional<ShutdownTimer>& timer) {
  constexpr std::string_view kScheme = "http://";
  const std::string first = proxy.starts_with(kScheme) ? proxy.substr(kScheme.size()) : address;
  crypto::BioPtr connection(BIO_new_connect(first.c_str()));
  if (!connection || BIO_do_connect_retry(connection.get(), static_cast<int>(limit.count()), -1) != 1)
    return fail(crypto::openssl_error(ErrorCode::kUnavailable, "no connection to " + first));
  int socket = -1;
  BIO_get_fd(connection.get(), &socket);
  timer.emplace(socket, limit);
  BIO_socket_nbio(socket, 0);
  if (!proxy.empty()) {
    if (auto asked = ask_proxy(connection.get(), address); !asked) {
      timer.reset();
      return fail(std::move(asked).error());
    }
  }
  return connection;
}

std::string host_of(const std::string& address) {
  std::string host = address.substr(0, address.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host;
}

}  // namespace

Result<std::string> certificate_shown_at(const std::string& address, const std::string& server_name,
                                         const std::string& proxy, std::chrono::seconds limit) {
  crypto::CertificatePtr shown;
  const ContextPtr context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) != 1)
    return fail(crypto::openssl_error(ErrorCode::kInternal, "TLS can't be set up"));
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context.get(), note_certificate, &shown);
  std::optional<ShutdownTimer> timer;
  CONSILIUM_ASSIGN(crypto::BioPtr connection, connect(address, proxy, limit, timer));
  const ConnectionPtr tls(SSL_new(context.get()), SSL_free);
  if (!tls) timer.reset();
  if (!tls) return fail(crypto::openssl_error(ErrorCode::kInternal, "TLS can't be set up"));
  constexpr std::array<unsigned char, 3> kHttp2{2, 'h', '2'};
  SSL_set_alpn_protos(tls.get(), kHttp2.data(), kHttp2.size());
  SSL_set_tlsext_host_name(tls.get(), (server_name.empty() ? host_of(address) : server_name).c_str());
  BIO* const held = connection.release();
  SSL_set_bio(tls.get(), held, held);  // `tls` now owns it
  SSL_connect(tls.get());              // never succeeds: the callback breaks it off
  timer.reset();
  ERR_clear_error();
  if (!shown) return fail(ErrorCode::kUnavailable, address + " showed no certificate");
  return crypto::to_pem(shown.get());
}

}  // namespace consilium::transport
