#pragma once

#include <filesystem>
#include <string>

#include "common/error/error.h"
#include "common/pki/identity.h"

namespace consilium::pki {

/// The files that an enrolment has left in its folder.
struct Enrollment {
  std::filesystem::path key;      ///< <name>.key, 0600; it never leaves this machine
  std::filesystem::path request;  ///< <name>.csr, for the person who runs the authority
  std::string fingerprint;        ///< SHA-256 of the SubjectPublicKeyInfo, hex: to compare by telephone
};

/// Creates a key and a certificate request in `folder`, which is created with mode 0700 if it is missing. Never
/// overwrites a key.
Result<Enrollment> enroll(const Identity& identity, const std::filesystem::path& folder);

/// Verifies that a request proves possession of its key, and returns the SHA-256 of its SubjectPublicKeyInfo, hex.
Result<std::string> request_fingerprint(const std::string& csr_pem);
/// Reads the file of a request, at most 64 KiB.
Result<std::string> read_request_file(const std::filesystem::path& file);

}  // namespace consilium::pki
