#pragma once

#include <filesystem>
#include <string>

#include "common/error/error.h"
#include "common/pki/identity.h"

namespace consilium::pki {

/// What an enrolment left in its folder.
struct Enrollment {
  std::filesystem::path key;      ///< <name>.key, 0600; it never leaves this machine
  std::filesystem::path request;  ///< <name>.csr, for whoever runs the authority
  std::string fingerprint;        ///< SHA-256 of the SubjectPublicKeyInfo, hex: to compare by telephone
};

/// Makes a key and a certificate request in `folder` (0700 where it is new). Never overwrites a key.
Result<Enrollment> enroll(const Identity& identity, const std::filesystem::path& folder);

/// SHA-256 of a request's SubjectPublicKeyInfo, hex, once the request has proved that key.
Result<std::string> request_fingerprint(const std::string& csr_pem);
/// Reads a request's file, at most 64 KiB.
Result<std::string> read_request_file(const std::filesystem::path& file);

}  // namespace consilium::pki
