#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/job_signature.h"
#include "common/job/round_order.h"

/// The messages of a site's stream, as plain values. gRPC and protobuf are used only in common/wire,
/// coordinator/service and client/transport.
namespace consilium::wire {

/// A step of secure aggregation, in either direction: an encoded message of common/secagg.
struct Masking {
  job::SessionKey key;
  std::vector<std::byte> message;
  bool operator==(const Masking&) const = default;
};

/// Mode masked: a step of the key agreement for a job, in either direction, encoded by common/secagg. The coordinator's
/// first message is empty and asks the site for its advert.
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
/// Asks the site to take part in one session: fetch the model, follow the order, upload the vector.
struct SessionOffer {
  job::SessionKey key;
  std::vector<std::byte> order;   ///< job::encode(RoundOrder)
  std::uint64_t model_bytes = 0;  ///< size of the global model blob; 0 in a census
  bool operator==(const SessionOffer&) const = default;
};
/// Asks the site to stop working on a session, because it was closed or abandoned, or its job ended.
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
/// Mode masked: one group's contribution to a total.
struct IncludedSum {
  std::uint32_t group = 0;  ///< the group's index in the job
  crypto::Digest cohort{};  ///< ctx2 of the group's attempt
  std::uint64_t tag = 0;    ///< the sum of its members' masked tags, modulo 2^61 - 1
  bool operator==(const IncludedSum&) const = default;
};
/// Mode masked: a census or a round of training has been summed. The site fetches the total, checks it, and endorses
/// the result.
struct GroupTotal {
  job::SessionKey key;            ///< the attempt is always 1
  std::vector<IncludedSum> sums;  ///< ascending by group
  crypto::Digest total{};         ///< SHA-256 of the words, little-endian; the total is a blob of this digest
  std::uint64_t words = 0;
  bool operator==(const GroupTotal&) const = default;
};
/// Mode masked: enough sites have signed the result of a total.
struct RoundCommitted {
  job::SessionKey key;
  std::vector<std::byte> commit;  ///< secagg::SignedCommit, encoded
  bool operator==(const RoundCommitted&) const = default;
};
using CoordinatorMessage =
    std::variant<JobOffer, SessionOffer, SessionClosed, JobEnded, Masking, KeyAgreement, GroupTotal, RoundCommitted>;

// Site to coordinator.

/// The first message on the stream. The site's certificate says which site it is.
struct SiteHello {
  std::string software;               ///< "consilium-client 0.1.0"
  std::vector<std::string> datasets;  ///< names that the site maps, without anything about their contents
  bool operator==(const SiteHello&) const = default;
};
enum class JobConsent : std::uint8_t {
  kDeclined = 1,
  kAccepted = 2,
  kWaits = 3,  ///< a person at the hospital must decide; another answer follows
};
struct JobAnswer {
  std::string job_id;
  JobConsent consent = JobConsent::kDeclined;
  std::string reason;  ///< of a refusal: names keys of the site's policy, but none of their values
  bool operator==(const JobAnswer&) const = default;
};
enum class SitePhase : std::uint8_t { kFetching = 1, kTraining = 2, kEvaluating = 3, kUploading = 4 };
struct SessionProgress {
  job::SessionKey key;
  SitePhase phase = SitePhase::kFetching;
  bool operator==(const SessionProgress&) const = default;
};
/// The site answers without a vector, because its work is partial and the order doesn't keep partial work.
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
/// Mode masked: the site's signature on the result of a total that it has checked.
struct Endorsement {
  job::SessionKey key;
  std::vector<std::byte> commit;  ///< secagg::SignedCommit with this site's signature alone, encoded
  bool operator==(const Endorsement&) const = default;
};
using SiteMessage = std::variant<SiteHello, JobAnswer, SessionProgress, SessionPartial, SessionFailed, Masking,
                                 KeyAgreement, Endorsement>;

}  // namespace consilium::wire
