#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/job_signature.h"
#include "common/job/round_order.h"

/// What travels on a site's stream, as plain values: gRPC and protobuf stop at common/wire, coordinator/service and
/// client/transport.
namespace consilium::wire {

/// A step of secure aggregation, in either direction: a message of common/secagg, encoded.
struct Masking {
  job::SessionKey key;
  std::vector<std::byte> message;
  bool operator==(const Masking&) const = default;
};

/// Mode masked: a step of the agreement on a job's key, in either direction, encoded by common/secagg. The
/// coordinator's first is empty: the site is to advertise.
struct KeyAgreement {
  std::string job_id;
  std::uint32_t attempt = 1;
  std::vector<std::byte> message;
  bool operator==(const KeyAgreement&) const = default;
};

// Coordinator to site.

/// A job that the site may take part in.
struct JobOffer {
  std::string job_id;
  std::string spec;  ///< job::canonical_text(); the site parses it and computes the digest itself
  job::JobSignature signature;
  bool operator==(const JobOffer&) const = default;
};
/// Take part in one session: fetch the model, do what the order says, upload the vector.
struct SessionOffer {
  job::SessionKey key;
  std::vector<std::byte> order;   ///< job::encode(RoundOrder)
  std::uint64_t model_bytes = 0;  ///< size of the global model blob; 0 in a census
  bool operator==(const SessionOffer&) const = default;
};
/// Stop working on a session: it was closed, abandoned, or its job ended.
struct SessionClosed {
  job::SessionKey key;
  std::string reason;
  bool operator==(const SessionClosed&) const = default;
};
struct JobEnded {
  std::string job_id;
  std::string outcome;  ///< "finished", "stopped by ...", "failed: ..."
  bool operator==(const JobEnded&) const = default;
};
/// Mode masked: one group's part in a total.
struct IncludedSum {
  std::uint32_t group = 0;  ///< its index in the job
  crypto::Digest cohort{};  ///< ctx2 of its attempt
  std::uint64_t tag = 0;    ///< the sum of its members' masked tags, modulo 2^61 - 1
  bool operator==(const IncludedSum&) const = default;
};
/// Mode masked: a census or a round of training is summed; the site fetches the total, checks it, and endorses what
/// follows from it.
struct GroupTotal {
  job::SessionKey key;            ///< its attempt is 1
  std::vector<IncludedSum> sums;  ///< ascending by group
  crypto::Digest total{};         ///< SHA-256 of the words, little-endian: a blob
  std::uint64_t words = 0;
  bool operator==(const GroupTotal&) const = default;
};
/// Mode masked: enough sites have signed what follows from a total.
struct RoundCommitted {
  job::SessionKey key;
  std::vector<std::byte> commit;  ///< secagg::SignedCommit, encoded
  bool operator==(const RoundCommitted&) const = default;
};
using CoordinatorMessage =
    std::variant<JobOffer, SessionOffer, SessionClosed, JobEnded, Masking, KeyAgreement, GroupTotal, RoundCommitted>;

// Site to coordinator.

/// First message on the stream. Who the site is, its certificate says.
struct SiteHello {
  std::string software;               ///< "consilium-client 0.1.0"
  std::vector<std::string> datasets;  ///< names it maps; nothing about what is in them
  bool operator==(const SiteHello&) const = default;
};
enum class JobConsent : std::uint8_t {
  kDeclined = 1,
  kAccepted = 2,
  kWaits = 3,  ///< for a person at the hospital; another answer follows
};
struct JobAnswer {
  std::string job_id;
  JobConsent consent = JobConsent::kDeclined;
  std::string reason;  ///< of a refusal: keys of the site's policy, no value of it
  bool operator==(const JobAnswer&) const = default;
};
enum class SitePhase : std::uint8_t { kFetching = 1, kTraining = 2, kEvaluating = 3, kUploading = 4 };
struct SessionProgress {
  job::SessionKey key;
  SitePhase phase = SitePhase::kFetching;
  bool operator==(const SessionProgress&) const = default;
};
/// The site answers without a vector: its work is partial and the order doesn't keep partial work.
struct SessionPartial {
  job::SessionKey key;
  bool operator==(const SessionPartial&) const = default;
};
struct SessionFailed {
  job::SessionKey key;
  ErrorCode code = ErrorCode::kInternal;
  std::string reason;  ///< "training failed: CUDA out of memory"; empty in a masked job
  bool operator==(const SessionFailed&) const = default;
};
/// Mode masked: what the site signs of a total that it has checked.
struct Endorsement {
  job::SessionKey key;
  std::vector<std::byte> commit;  ///< secagg::SignedCommit with this site's signature alone, encoded
  bool operator==(const Endorsement&) const = default;
};
using SiteMessage = std::variant<SiteHello, JobAnswer, SessionProgress, SessionPartial, SessionFailed, Masking,
                                 KeyAgreement, Endorsement>;

}  // namespace consilium::wire
