#include "common/job/job_signature.h"

#include <spdlog/fmt/fmt.h>

#include "common/encoding/byte_writer.h"
#include "common/pki/authority.h"
#include "common/pki/signer.h"
#include "common/pki/trust.h"

namespace consilium::job {
namespace {

constexpr std::string_view kLabel = "consilium/v1/job-offer";

Result<void> require(bool holds, ErrorCode code, std::string why) {
  if (holds) return {};
  return fail(code, std::move(why));
}

/// Checks that the certificate is a valid researcher's certificate with the key in the roster, and returns the name.
Result<std::string> check_signer(const std::string& certificate, const SignatureContext& context) {
  CONSILIUM_TRY(context.trust->authenticate(certificate, {pki::Role::kResearcher}));  // check: job-signer
  CONSILIUM_ASSIGN(const pki::Identity identity, pki::identity_of_certificate(certificate));
  const auto entry = context.researchers->find(identity.name);
  CONSILIUM_TRY(
      require(entry != context.researchers->end(), ErrorCode::kPermissionDenied,
              fmt::format("researcher '{}' isn't on this site's roster (client.yaml: roster)", identity.name)));
  CONSILIUM_ASSIGN(const std::string key, pki::key_fingerprint(certificate));
  const std::string expected = crypto::to_hex(entry->second);
  CONSILIUM_TRY(
      require(key == expected, ErrorCode::kPermissionDenied,
              fmt::format("researcher '{}' has the key {} in this site's roster, but the job is signed with the key {}",
                          identity.name, expected, key)));  // check: job-signer-key
  return identity.name;
}

}  // namespace

std::vector<std::byte> job_statement(std::string_view consortium, std::string_view coordinator,
                                     const crypto::Digest& digest, std::int64_t not_after) {
  encoding::ByteWriter writer;
  writer.prefixed<std::uint8_t>(kLabel);
  writer.prefixed<std::uint16_t>(consortium);
  writer.prefixed<std::uint16_t>(coordinator);
  writer.bytes(digest);
  writer.integer(static_cast<std::uint64_t>(not_after));
  return writer.take();
}

Result<JobSignature> sign_job(const pki::Signer& signer, const std::string& certificate, const std::string& coordinator,
                              const crypto::Digest& digest, std::int64_t not_after) {
  CONSILIUM_ASSIGN(const pki::Identity identity, pki::identity_of_certificate(certificate));
  JobSignature signature{coordinator, not_after, certificate, {}};
  CONSILIUM_ASSIGN(signature.signature,
                   signer.sign(job_statement(identity.consortium, coordinator, digest, not_after)));
  return signature;
}

Result<std::string> check_job_signature(const JobSignature& signature, const crypto::Digest& digest, bool first_offer,
                                        const SignatureContext& context) {
  CONSILIUM_ASSIGN(std::string researcher, check_signer(signature.certificate, context));
  CONSILIUM_TRY(require(signature.coordinator == context.coordinator, ErrorCode::kPermissionDenied,
                        fmt::format("the job is signed for {}, but {} offers it", signature.coordinator,
                                    context.coordinator)));  // check: job-coordinator
  const std::vector<std::byte> statement =
      job_statement(context.consortium, signature.coordinator, digest, signature.not_after);
  CONSILIUM_TRY(pki::verify(signature.certificate, statement, signature.signature));  // check: job-signature
  CONSILIUM_TRY(
      require(!first_offer || context.now <= signature.not_after, ErrorCode::kDeadlineExceeded,
              "the job's signature has expired; its researcher has to submit it again"));  // check: job-expiry
  return researcher;
}

}  // namespace consilium::job
