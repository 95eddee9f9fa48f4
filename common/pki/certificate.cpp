#include "common/crypto/issue.h"
#include "common/crypto/x509.h"
#include "common/files/files.h"
#include "common/pki/authority.h"

namespace consilium::pki {
namespace {

std::string text_of(const ASN1_STRING* value) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
          static_cast<std::size_t>(ASN1_STRING_length(value))};
}

/// Returns the only URI among a certificate's names. Besides it, only DNS names and IP addresses are allowed.
Result<std::string> only_uri(X509* certificate) {
  int critical = 0;  // -1: no such extension, -2: more than one
  const crypto::NamesPtr names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, nullptr)));
  if (!names) {
    return fail(crypto::openssl_error(ErrorCode::kUnauthenticated,
                                      critical == -2 ? "the certificate has two lists of names"
                                                     : "the certificate states no identity (it has no URI name)"));
  }
  std::string uri;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int type = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type);
    if (type == GEN_DNS || type == GEN_IPADD) {
      continue;
    }
    if (type != GEN_URI || !uri.empty()) {
      return fail(ErrorCode::kUnauthenticated,
                  "the certificate has other names than one URI, DNS names and IP addresses");
    }
    uri = text_of(static_cast<const ASN1_IA5STRING*>(value));
    if (uri.empty()) {
      return fail(ErrorCode::kUnauthenticated, "the certificate has an empty URI name");
    }
  }
  return uri;
}

}  // namespace

Result<Identity> identity_of_certificate(const std::string& certificate_pem) {
  auto certificate = crypto::read_certificate(certificate_pem);
  if (!certificate) {
    return fail(ErrorCode::kUnauthenticated, "the certificate cannot be read: " + certificate.error().message);
  }
  CONSILIUM_ASSIGN(const std::string uri, only_uri(certificate->get()));
  auto identity = identity_from_uri(uri);
  if (!identity) {
    return fail(ErrorCode::kUnauthenticated, identity.error().message);
  }
  return identity;
}

Result<std::time_t> end_of_certificate(const std::string& certificate_pem) {
  CONSILIUM_ASSIGN(const crypto::CertificatePtr certificate, crypto::read_certificate(certificate_pem));
  std::tm parts{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &parts) != 1) {
    return fail(crypto::openssl_error(ErrorCode::kInvalidArgument, "the certificate's end cannot be read"));
  }
  return timegm(&parts);
}

Result<std::string> key_fingerprint(const std::string& certificate_pem) {
  CONSILIUM_ASSIGN(const crypto::CertificatePtr certificate, crypto::read_certificate(certificate_pem));
  CONSILIUM_ASSIGN(const crypto::Digest digest, crypto::fingerprint(X509_get_X509_PUBKEY(certificate.get())));
  return crypto::to_hex(digest);
}

Result<std::string> create_key_and_request(const std::filesystem::path& key_file, const Identity& identity) {
  CONSILIUM_TRY(check_name(identity.consortium));
  CONSILIUM_TRY(check_name(identity.name));
  CONSILIUM_ASSIGN(const crypto::KeyPtr key, crypto::make_key());
  CONSILIUM_ASSIGN(const crypto::RequestPtr request, crypto::issue_request(identity.name, to_uri(identity), key.get()));
  CONSILIUM_ASSIGN(std::string request_pem, crypto::to_pem(request.get()));
  CONSILIUM_ASSIGN(std::string key_pem, crypto::private_key_to_pem(key.get()));
  auto created = files::create_private_file(key_file, key_pem);
  crypto::wipe(key_pem);
  CONSILIUM_TRY(created);
  return request_pem;
}

}  // namespace consilium::pki
