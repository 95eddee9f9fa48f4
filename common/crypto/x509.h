#pragma once

#include <string>
#include <string_view>

#include "common/crypto/openssl.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"

/// Reads and writes keys, certificates, requests and revocation lists in PEM. Input may be hostile: it has at most 64
/// KiB (1 MiB for a list) and contains exactly one object. Every key is ECDSA P-256 by its standard name; public keys
/// are uncompressed points.
namespace consilium::crypto {

/// The largest PEM text of a certificate, request or key, and of a revocation list.
inline constexpr std::size_t kMaxPemBytes = 64 * 1024;
inline constexpr std::size_t kMaxRevocationListBytes = 1024 * 1024;

Result<CertificatePtr> read_certificate(std::string_view pem);
/// Reads a request and checks its ECDSA-with-SHA-256 signature, which proves possession of the key.
Result<RequestPtr> read_request(std::string_view pem);
Result<RevocationListPtr> read_revocation_list(std::string_view pem);
/// Reads an unencrypted private key. The caller is responsible for wiping `pem`.
Result<KeyPtr> read_private_key(std::string_view pem);

Result<std::string> to_pem(X509* certificate);
Result<std::string> to_pem(X509_REQ* request);
Result<std::string> to_pem(X509_CRL* list);
/// Encodes a private key as unencrypted PKCS#8. Wipe the string after use (wipe()).
Result<std::string> private_key_to_pem(EVP_PKEY* key);
/// Overwrites a string that held a secret, and empties it.
void wipe(std::string& secret);

/// Generates a P-256 key.
Result<KeyPtr> make_key();
/// Refuses every SubjectPublicKeyInfo except the 91 bytes of an uncompressed point on P-256.
Result<void> check_public_key(const X509_PUBKEY* key);
/// Returns the SHA-256 of a SubjectPublicKeyInfo.
Result<Digest> fingerprint(const X509_PUBKEY* key);

}  // namespace consilium::crypto
