#pragma once

#include <string>

#include "common/error/error.h"
#include "common/job/job_signature.h"
#include "common/job/job_spec.h"
#include "common/pki/identity.h"
#include "common/pki/trust.h"
#include "coordinator/journal/blob_store.h"

namespace consilium::admission {

/// A job that may run: its spec, and the blob that holds the weights it starts from.
struct AdmittedJob {
  job::JobSpec spec;
  crypto::Digest initial_model{};
};

/// Decides whether a submitted job may run at all, and lays out its initial model: the weights that the researcher
/// uploaded, or those that the spec and its seed give. Errors name the key path.
Result<AdmittedJob> admit(const std::string& spec_text, journal::BlobStore& blobs);

/// Checks that whoever submits a job signed it themselves, for this coordinator: sites would decline it otherwise.
/// @param researcher  name in the certificate of the connection
/// kPermissionDenied, kUnauthenticated or kDeadlineExceeded say what is wrong.
Result<void> check_submitter(const std::string& researcher, const job::JobSpec& spec,
                             const job::JobSignature& signature, const pki::Identity& self,
                             const pki::TrustStore& trust);

}  // namespace consilium::admission
