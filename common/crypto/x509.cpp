#include "common/crypto/x509.h"

#include <openssl/ec.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

namespace consilium::crypto {
namespace {

// The DER of SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING { 0x04, x, y } } up to and including the
// 0x04 (RFC 5480).
constexpr std::array<unsigned char, 27> kP256Prefix = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                                       0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                                       0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
constexpr std::size_t kP256Bytes = 91;

Result<std::vector<unsigned char>> encode(const X509_PUBKEY* key) {
  if (key == nullptr) {
    return fail(openssl_error(ErrorCode::kInvalidArgument, "it has no public key"));
  }
  unsigned char* der = nullptr;
  const int length = i2d_X509_PUBKEY(key, &der);
  if (length <= 0) {
    return fail(openssl_error(ErrorCode::kInvalidArgument, "its public key has no encoding"));
  }
  std::vector<unsigned char> bytes(der, der + length);
  OPENSSL_free(der);
  return bytes;
}

/// Describes what was found instead of the expected PEM block, for an error message. Names the block's kind only if it
/// is well-formed.
std::string found_instead(std::string_view body) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  constexpr std::string_view kCapitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ";
  if (!body.starts_with(kBegin)) return ", found something else";
  const std::string_view kind =
      body.substr(kBegin.size(), std::min<std::size_t>(body.find("-----", 1), 60) - kBegin.size());
  if (kind.find_first_not_of(kCapitals) != std::string_view::npos) return ", found something else";
  if (kind.ends_with("PRIVATE KEY"))
    return ", found a private key, which stays where it was made: take the .csr or .pem file beside it";
  return ", found '" + std::string(kBegin) + std::string(kind) + "-----' first";
}

/// Opens a text that must consist of one PEM block of the given kind, with only white space around it.
Result<BioPtr> open_pem(std::string_view pem, std::string_view kind, std::size_t limit) {
  if (pem.size() > limit) {
    return fail(ErrorCode::kResourceExhausted,
                "it has " + std::to_string(pem.size()) + " bytes; expected at most " + std::to_string(limit));
  }
  const std::string begin = "-----BEGIN " + std::string(kind) + "-----";
  const std::string end = "-----END " + std::string(kind) + "-----";
  const std::size_t first = pem.find_first_not_of(" \t\r\n");
  const std::size_t last = pem.find_last_not_of(" \t\r\n");
  const std::string_view body = first == std::string_view::npos ? "" : pem.substr(first, last - first + 1);
  if (!body.starts_with(begin) || !body.ends_with(end) || body.find("-----BEGIN", 1) != std::string_view::npos) {
    return fail(ErrorCode::kInvalidArgument, "expected one PEM block '" + begin + "'" + found_instead(body));
  }
  BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (!bio) {
    return fail(openssl_error(ErrorCode::kInternal, "out of memory"));
  }
  return bio;
}

int refuse_to_ask_for_a_passphrase(char*, int, int, void*) { return -1; }

template <class Write>
Result<std::string> write_pem(const Write& write) {
  BioPtr bio(BIO_new(BIO_s_secmem()));
  if (!bio || write(bio.get()) != 1) {
    return fail(openssl_error(ErrorCode::kInternal, "PEM could not be written"));
  }
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(length));
}

Result<void> check_key_on_curve(EVP_PKEY* key) {
  const KeyContextPtr context(EVP_PKEY_CTX_new(key, nullptr));
  if (!context || EVP_PKEY_public_check(context.get()) != 1) {
    return fail(openssl_error(ErrorCode::kInvalidArgument, "its public key is not a point on P-256"));
  }
  return {};
}

}  // namespace

Result<void> check_public_key(const X509_PUBKEY* key) {
  CONSILIUM_ASSIGN(const std::vector<unsigned char> der, encode(key));
  if (der.size() != kP256Bytes || std::memcmp(der.data(), kP256Prefix.data(), kP256Prefix.size()) != 0) {
    return fail(ErrorCode::kInvalidArgument, "its key is not ECDSA P-256 (a named curve, an uncompressed point)");
  }
  EVP_PKEY* decoded = X509_PUBKEY_get0(key);
  if (decoded == nullptr) {
    return fail(openssl_error(ErrorCode::kInvalidArgument, "its public key cannot be read"));
  }
  return check_key_on_curve(decoded);
}

Result<Digest> fingerprint(const X509_PUBKEY* key) {
  CONSILIUM_ASSIGN(const std::vector<unsigned char> der, encode(key));
  return sha256(std::as_bytes(std::span(der)));
}

Result<CertificatePtr> read_certificate(std::string_view pem) {
  CONSILIUM_ASSIGN(const BioPtr bio, open_pem(pem, "CERTIFICATE", kMaxPemBytes));
  CertificatePtr certificate(PEM_read_bio_X509(bio.get(), nullptr, refuse_to_ask_for_a_passphrase, nullptr));
  if (!certificate) {
    return fail(openssl_error(ErrorCode::kInvalidArgument, "it is not a certificate"));
  }
  CONSILIUM_TRY(check_public_key(X509_get_X509_PUBKEY(certificate.get())));
  return certificate;
}

Result<RequestPtr> read_request(std::string_view pem) {
  CONSILIUM_ASSIGN(const BioPtr bio, open_pem(pem, "CERTIFICATE REQUEST", kMaxPemBytes));
  RequestPtr request(PEM_read_bio_X509_REQ(bio.get(), nullptr, refuse_to_ask_for_a_passphrase, nullptr));
  if (!request) {
    return fail(openssl_error(ErrorCode::kInvalidArgument, "it is not a certificate request"));
  }
  CONSILIUM_TRY(check_public_key(X509_REQ_get_X509_PUBKEY(request.get())));
  if (X509_REQ_get_signature_nid(request.get()) != NID_ecdsa_with_SHA256) {
    return fail(ErrorCode::kInvalidArgument, "it is not signed by ECDSA with SHA-256");
  }
  if (X509_REQ_verify(request.get(), X509_REQ_get0_pubkey(request.get())) != 1) {
    return fail(
        openssl_error(ErrorCode::kInvalidArgument,
                      "its signature is invalid: it was made without the private key, or it was changed in transit"));
  }
  return request;
}

Result<RevocationListPtr> read_revocation_list(std::string_view pem) {
  CONSILIUM_ASSIGN(const BioPtr bio, open_pem(pem, "X509 CRL", kMaxRevocationListBytes));
  RevocationListPtr list(PEM_read_bio_X509_CRL(bio.get(), nullptr, refuse_to_ask_for_a_passphrase, nullptr));
  if (!list) {
    return fail(openssl_error(ErrorCode::kInvalidArgument, "it is not a revocation list"));
  }
  return list;
}

Result<KeyPtr> read_private_key(std::string_view pem) {
  if (pem.find("ENCRYPTED") != std::string_view::npos) {
    return fail(ErrorCode::kInvalidArgument,
                "the key is encrypted; expected an unencrypted one, which its file mode protects");
  }
  const std::string_view kind =
      pem.find("BEGIN EC PRIVATE KEY") != std::string_view::npos ? "EC PRIVATE KEY" : "PRIVATE KEY";
  CONSILIUM_ASSIGN(const BioPtr bio, open_pem(pem, kind, kMaxPemBytes));
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, refuse_to_ask_for_a_passphrase, nullptr));
  if (!key) {
    return fail(openssl_error(ErrorCode::kInvalidArgument, "it is not a private key"));
  }
  std::array<char, 64> group{};
  if (EVP_PKEY_is_a(key.get(), "EC") != 1 ||
      EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), nullptr) != 1 ||
      std::string_view(group.data()) != SN_X9_62_prime256v1) {
    return fail(openssl_error(ErrorCode::kInvalidArgument, "the key is not ECDSA P-256"));
  }
  return key;
}

Result<std::string> to_pem(X509* certificate) {
  return write_pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

Result<std::string> to_pem(X509_REQ* request) {
  return write_pem([&](BIO* bio) { return PEM_write_bio_X509_REQ(bio, request); });
}

Result<std::string> to_pem(X509_CRL* list) {
  return write_pem([&](BIO* bio) { return PEM_write_bio_X509_CRL(bio, list); });
}

Result<std::string> private_key_to_pem(EVP_PKEY* key) {
  return write_pem(
      [&](BIO* bio) { return PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); });
}

void wipe(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

Result<KeyPtr> make_key() {
  KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) {
    return fail(openssl_error(ErrorCode::kInternal, "a P-256 key could not be made"));
  }
  return key;
}

}  // namespace consilium::crypto
