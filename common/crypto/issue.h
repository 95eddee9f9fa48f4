#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "common/crypto/openssl.h"
#include "common/error/error.h"

/// Builds and signs certificates, requests and revocation lists: P-256, SHA-256, version 3.
namespace consilium::crypto {

/// What a certificate says; nothing of it comes from a request.
struct CertificateContents {
  std::string common_name;
  std::string unit;            ///< organisational unit, or empty
  std::string organisation;    ///< or empty
  std::string serial;          ///< hex
  std::time_t not_before = 0;  ///< UTC seconds
  std::time_t not_after = 0;
  bool authority = false;          ///< a root: CA:TRUE, pathlen:0, keyCertSign and cRLSign; no names, no extended usage
  bool server = false;             ///< extended key usage serverAuth, else clientAuth
  std::string uri;                 ///< the one URI name
  std::vector<std::string> hosts;  ///< DNS names and IP addresses
};

/// @param issuer  the root's certificate, or null for a root that signs itself
Result<CertificatePtr> issue_certificate(const CertificateContents& contents, EVP_PKEY* subject_key, X509* issuer,
                                         EVP_PKEY* issuer_key);

/// Makes a request that proves `key`; its subject and URI name only help people to see whose it is.
Result<RequestPtr> issue_request(const std::string& common_name, const std::string& uri, EVP_PKEY* key);

struct Revoked {
  std::string serial;  ///< hex
  std::time_t when = 0;
};
Result<RevocationListPtr> issue_revocation_list(const std::vector<Revoked>& revoked, std::uint64_t number,
                                                std::time_t last_update, std::time_t next_update, X509* issuer,
                                                EVP_PKEY* issuer_key);

/// Draws a serial number of 128 random bits; lower-case hex.
Result<std::string> random_serial();
/// Refuses what is neither an IP address nor a DNS name of letters, digits and hyphens (no wildcard).
Result<void> check_host(const std::string& host);

}  // namespace consilium::crypto
