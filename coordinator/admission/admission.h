#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

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

/// What the scheduler knows of a job: which sites it occupies.
struct Occupancy {
  std::string job_id;
  std::vector<std::string> sites;  ///< empty: all of them
};

/// Chooses which queued jobs start now, in the order of the queue: no two running jobs share a site (a site has one
/// trainer), and at most `max_running` run at once. A job that must wait doesn't hold up later ones on other sites.
[[nodiscard]] std::vector<std::string> choose_startable(const std::vector<Occupancy>& queue,
                                                        const std::vector<Occupancy>& running, std::size_t max_running);

}  // namespace consilium::admission
