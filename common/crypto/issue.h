#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "common/crypto/openssl.h"
#include "common/error/error.h"

/// Builds and signs certificates, requests and revocation lists: P-256, SHA-256, version 3.
namespace consilium::crypto {

/// The contents of a certificate. Nothing in them comes from a request.
struct CertificateContents {
  std::string common_name;
  std::string unit;            ///< organisational unit; may be empty
  std::string organisation;    ///< may be empty
  std::string serial;          ///< hex
  std::time_t not_before = 0;  ///< UTC seconds
  std::time_t not_after = 0;
  bool authority = false;          ///< a root: CA:TRUE, pathlen:0, keyCertSign and cRLSign; no names or extended usage
  bool server = false;             ///< extended key usage: serverAuth if true, otherwise clientAuth
  std::string uri;                 ///< the only URI name
  std::vector<std::string> hosts;  ///< DNS names and IP addresses
};

/// Issues a certificate.
/// @param issuer  the root's certificate, or null for a self-signed root
Result<CertificatePtr> issue_certificate(const CertificateContents& contents, EVP_PKEY* subject_key, X509* issuer,
                                         EVP_PKEY* issuer_key);

/// Makes a request that proves possession of `key`. Its subject and URI name only help people to see who made it.
Result<RequestPtr> issue_request(const std::string& common_name, const std::string& uri, EVP_PKEY* key);

struct Revoked {
  std::string serial;  ///< hex
  std::time_t when = 0;
};
Result<RevocationListPtr> issue_revocation_list(const std::vector<Revoked>& revoked, std::uint64_t number,
                                                std::time_t last_update, std::time_t next_update, X509* issuer,
                                                EVP_PKEY* issuer_key);

/// Draws a serial number of 128 random bits. Returns it as lower-case hex.
Result<std::string> random_serial();
/// Checks that `host` is an IP address or a DNS name of letters, digits and hyphens (no wildcard).
Result<void> check_host(const std::string& host);

}  // namespace consilium::crypto
