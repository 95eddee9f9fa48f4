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

/// A researcher's signature under a job, for one coordinator: what makes the job theirs, whoever passes it on.
struct JobSignature {
  std::string coordinator;     ///< URI in its certificate: spiffe://<consortium>/coordinator/<name>
  std::int64_t not_after = 0;  ///< seconds since 1970: a site that has not seen the job by then declines it
  std::string certificate;     ///< the researcher's, PEM
  std::vector<std::byte> signature;
  bool operator==(const JobSignature&) const = default;
};

inline constexpr std::size_t kMaxCoordinatorBytes = 256;
inline constexpr std::size_t kMaxResearcherCertificateBytes = 4096;
inline constexpr std::size_t kMaxJobSignatureBytes = 72;  ///< DER of an ECDSA signature over P-256

/// Returns the bytes that a researcher signs (docs/formats/wire.md): label, consortium, coordinator, digest, not-after.
[[nodiscard]] std::vector<std::byte> job_statement(std::string_view consortium, std::string_view coordinator,
                                                   const crypto::Digest& digest, std::int64_t not_after);

/// Signs a job for one coordinator; the consortium is that of the certificate.
/// @param certificate  of the signer's key, PEM
/// @param not_after    seconds since 1970
Result<JobSignature> sign_job(const pki::Signer& signer, const std::string& certificate, const std::string& coordinator,
                              const crypto::Digest& digest, std::int64_t not_after);

/// What a site holds a job's signature against.
struct SignatureContext {
  std::string consortium;
  std::string coordinator;                                   ///< URI of the coordinator that the site is connected to
  const std::map<std::string, crypto::Digest>* researchers;  ///< on the site's roster: SHA-256 of each key
  const pki::TrustStore* trust;                              ///< root and revocation list
  std::int64_t now = 0;                                      ///< seconds since 1970
};

/// Checks that a researcher on the roster signed this job for this coordinator; returns the researcher's name.
/// @param first_offer  the site has not seen this job before: `not_after` counts then alone, so that a long job may be
///                     offered again after a lost connection
/// kUnauthenticated where the signature or certificate proves nothing, kPermissionDenied where the signer is no
/// researcher of the roster or signed for another coordinator, kDeadlineExceeded where it came too late.
Result<std::string> check_job_signature(const JobSignature& signature, const crypto::Digest& digest, bool first_offer,
                                        const SignatureContext& context);

}  // namespace consilium::job
