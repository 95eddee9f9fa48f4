#pragma once

#include <string>

#include "common/error/error.h"
#include "common/job/job_signature.h"
#include "common/job/job_spec.h"
#include "common/pki/identity.h"
#include "common/pki/trust.h"
#include "coordinator/journal/blob_store.h"

namespace consilium::admission {

/// A job that has been accepted: its spec, and the blob with the weights that it starts from.
struct AdmittedJob {
  job::JobSpec spec;
  crypto::Digest initial_model{};
};

/// Decides whether a submitted job may run at all, and writes its initial model: the weights that the researcher
/// uploaded, or those derived from the spec and its seed. Errors name the key path.
Result<AdmittedJob> admit(const std::string& spec_text, journal::BlobStore& blobs);

/// Checks that the submitter signed the job personally, for this coordinator; otherwise the sites would decline it.
/// Fails with kPermissionDenied, kUnauthenticated or kDeadlineExceeded; the message says what is wrong.
/// @param researcher  name in the certificate of the connection
Result<void> check_submitter(const std::string& researcher, const job::JobSpec& spec,
                             const job::JobSignature& signature, const pki::Identity& self,
                             const pki::TrustStore& trust);

}  // namespace consilium::admission
