#include "coordinator/admission/admission.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/model/model_parameters.h"
#include "common/pki/authority.h"

namespace consilium::admission {
namespace {

/// Checks that an uploaded vector has the model's size and contains no NaN or infinity.
Result<void> check_initial_weights(const crypto::Digest& digest, std::size_t parameter_count,
                                   const journal::BlobStore& blobs) {
  const auto size = blobs.size(digest);
  if (!size) {
    return fail(ErrorCode::kNotFound, "initial_weights: the vector " + crypto::to_hex(digest) +
                                          " was not uploaded; submit the job with 'consilium submit'");
  }
  if (*size != parameter_count * sizeof(float)) {
    return fail(ErrorCode::kInvalidArgument, "initial_weights: expected " + std::to_string(parameter_count) +
                                                 " float32 values, found " + std::to_string(*size) + " bytes");
  }
  std::vector<float> chunk(1 << 18);
  for (std::size_t first = 0; first < parameter_count; first += chunk.size()) {
    const auto part = std::span(chunk).first(std::min(chunk.size(), parameter_count - first));
    CONSILIUM_ASSIGN(const std::size_t count, blobs.read(digest, first * sizeof(float), std::as_writable_bytes(part)));
    if (count != part.size_bytes())
      return fail(ErrorCode::kDataLoss, "initial_weights: the uploaded vector has become shorter");
    const auto bad = std::ranges::find_if(part, [](float value) { return !std::isfinite(value); });
    if (bad != part.end()) {
      return fail(ErrorCode::kInvalidArgument,
                  "initial_weights: element " + std::to_string(first + static_cast<std::size_t>(bad - part.begin())) +
                      " is not finite");
    }
  }
  return {};
}

}  // namespace

Result<AdmittedJob> admit(const std::string& spec_text, journal::BlobStore& blobs) {
  CONSILIUM_ASSIGN(job::JobSpec spec, job::parse_job(spec_text, "job"));
  CONSILIUM_TRY(job::check_masked(spec));
  if (spec.initial_weights_digest) {
    CONSILIUM_ASSIGN(const ParameterManifest manifest, model::build_manifest(spec.model));
    CONSILIUM_TRY(check_initial_weights(*spec.initial_weights_digest, manifest.parameter_count(), blobs));
    const crypto::Digest digest = *spec.initial_weights_digest;
    return AdmittedJob{std::move(spec), digest};
  }
  if (spec.initial_weights) {
    return fail(ErrorCode::kInvalidArgument,
                "initial_weights: the coordinator can't read a path; submit the job with 'consilium submit', which "
                "uploads the file");
  }
  CONSILIUM_ASSIGN(const ParameterVector weights, model::initial_weights(spec.model, spec.seed));
  CONSILIUM_ASSIGN(const crypto::Digest digest, blobs.put(std::as_bytes(std::span(weights))));
  return AdmittedJob{std::move(spec), digest};
}

Result<void> check_submitter(const std::string& researcher, const job::JobSpec& spec,
                             const job::JobSignature& signature, const pki::Identity& self,
                             const pki::TrustStore& trust) {
  CONSILIUM_ASSIGN(const pki::Identity signer, pki::identity_of_certificate(signature.certificate));
  if (signer.name != researcher) {
    return fail(ErrorCode::kPermissionDenied, "the job is signed by '" + signer.name + "', but '" + researcher +
                                                  "' submitted it; submit it with the certificate that signed it");
  }
  CONSILIUM_ASSIGN(const std::string fingerprint, pki::key_fingerprint(signature.certificate));
  CONSILIUM_ASSIGN(const crypto::Digest key, crypto::digest_from_hex(fingerprint));
  const std::map<std::string, crypto::Digest> researchers{{researcher, key}};
  const std::int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  CONSILIUM_TRY(job::check_job_signature(signature, job::job_digest(spec), true,
                                         {self.consortium, pki::to_uri(self), &researchers, &trust, now}));
  return {};
}

}  // namespace consilium::admission
