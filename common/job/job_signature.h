#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"

namespace consilium::pki {
class Signer;
class TrustStore;
}  // namespace consilium::pki

namespace consilium::job {

/// A researcher's signature on a job, for one coordinator. It proves that the job is the researcher's, whoever forwards
/// it.
struct JobSignature {
  std::string coordinator;     ///< URI in the coordinator's certificate: spiffe://<consortium>/coordinator/<name>
  std::int64_t not_after = 0;  ///< seconds since 1970; a site that first sees the job later declines it
  std::string certificate;     ///< PEM certificate of the researcher
  std::vector<std::byte> signature;
  bool operator==(const JobSignature&) const = default;
};

inline constexpr std::size_t kMaxCoordinatorBytes = 256;
inline constexpr std::size_t kMaxResearcherCertificateBytes = 4096;
inline constexpr std::size_t kMaxJobSignatureBytes = 72;  ///< DER of an ECDSA signature over P-256

/// Returns the bytes that a researcher signs (docs/formats/wire.md): label, consortium, coordinator, digest, not-after.
[[nodiscard]] std::vector<std::byte> job_statement(std::string_view consortium, std::string_view coordinator,
                                                   const crypto::Digest& digest, std::int64_t not_after);

/// Signs a job for one coordinator. The consortium is taken from the certificate.
/// @param certificate  PEM certificate of the signer's key
/// @param not_after    seconds since 1970
Result<JobSignature> sign_job(const pki::Signer& signer, const std::string& certificate, const std::string& coordinator,
                              const crypto::Digest& digest, std::int64_t not_after);

/// The values against which a site checks a job's signature.
struct SignatureContext {
  std::string consortium;
  std::string coordinator;                                   ///< URI of the coordinator that the site is connected to
  const std::map<std::string, crypto::Digest>* researchers;  ///< the site's roster: SHA-256 of each researcher's key
  const pki::TrustStore* trust;                              ///< root and revocation list
  std::int64_t now = 0;                                      ///< seconds since 1970
};

/// Checks that a researcher on the roster signed this job for this coordinator, and returns the researcher's name.
/// Fails with kUnauthenticated if the signature or certificate is invalid, with kPermissionDenied if the signer is no
/// researcher on the roster or signed for another coordinator, and with kDeadlineExceeded if the job came too late.
/// @param first_offer  true if the site has not seen this job before. Only then is `not_after` checked, so that a long
///                     job may be offered again after a lost connection.
Result<std::string> check_job_signature(const JobSignature& signature, const crypto::Digest& digest, bool first_offer,
                                        const SignatureContext& context);

}  // namespace consilium::job
