#include <cstdint>
#include <cstdlib>
#include <string>

#include "common/crypto/x509.h"
#include "common/pki/authority.h"

// Parses requests, certificates and lists, as PEM and as DER that is armoured here, so that the mutations reach the
// parsers.
namespace {

namespace crypto = consilium::crypto;

std::string armour(const char* kind, const std::uint8_t* data, std::size_t size) {
  std::string text = std::string("-----BEGIN ") + kind + "-----\n";
  std::string base64((size + 2) / 3 * 4 + 1, '\0');
  base64.resize(static_cast<std::size_t>(
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(base64.data()), data, static_cast<int>(size))));
  for (std::size_t at = 0; at < base64.size(); at += 64) {
    text += base64.substr(at, 64) + "\n";
  }
  return text + "-----END " + kind + "-----\n";
}

void read_all(const std::string& pem) {
  if (const auto request = crypto::read_request(pem)) {
    // An accepted input has a P-256 key, and therefore a fingerprint.
    if (!crypto::fingerprint(X509_REQ_get_X509_PUBKEY(request->get()))) std::abort();
  }
  if (const auto identity = consilium::pki::identity_of_certificate(pem)) {
    if (consilium::pki::identity_from_uri(to_uri(*identity)).value() != *identity) std::abort();
  }
  static_cast<void>(crypto::read_revocation_list(pem));
  static_cast<void>(crypto::read_private_key(pem));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read_all(std::string(reinterpret_cast<const char*>(data), size));
  if (size <= crypto::kMaxPemBytes / 2) {
    for (const char* kind : {"CERTIFICATE REQUEST", "CERTIFICATE", "X509 CRL", "PRIVATE KEY"}) {
      read_all(armour(kind, data, size));
    }
  }
  return 0;
}
