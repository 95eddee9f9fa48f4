#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "common/aggregation/streaming_sum.h"
#include "common/crypto/secret_bytes.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"
#include "common/parameters/parameter_manifest.h"
#include "common/pki/signer.h"
#include "common/secagg/commit.h"
#include "common/wire/messages.h"

/// How a site checks the total of sums over whole groups (mode `masked`), and what follows from it. Pure: what the site
/// has recorded and where its models lie is the caller's. The daemons and the simulator share this code.
namespace consilium::session {

/// Says whether this site has sent a vector under a cohort, ctx2 of an attempt.
using SentUnder = std::function<Result<bool>(const crypto::Digest& cohort)>;
/// Checks that a total is over enough groups of those that the job draws for it (job::check_groups_summed()), and over
/// the site's own group, where it counts, under an attempt in which the site sent its vector. kPermissionDenied or
/// kDataLoss where it isn't.
/// @param own_group  job::count_group_of() the site
/// @param counted    the groups that the census counted, ascending; none in a census. Of those that take part in it no
///                   more is known than that they are more than half of the job's (secagg::check_agreement_adverts)
Result<void> check_included(const wire::GroupTotal& total, const job::JobSpec& job, std::uint32_t own_group,
                            std::span<const std::uint32_t> counted, const SentUnder& sent);

/// Makes room for a total's words: read them into masked_words(). kDataLoss where the total hasn't as many as the job
/// says.
Result<aggregation::StreamingSum> room_for_total(const wire::GroupTotal& total, const job::JobSpec& job);

/// Gives the model that a round's update is added to: the last committed one. It stays where it is until check_total()
/// has ended.
using LastModel = std::function<Result<std::span<const float>>(std::size_t parameters)>;

struct CheckedTotal {
  secagg::CommitStatement statement;
  std::span<const float> model;      ///< that follows from a round; empty after a census
  aggregation::StreamingSum memory;  ///< in which it lies where nothing is frozen
  ParameterVector whole;             ///< in which it lies where layers are frozen: a total is shorter then
};

/// Checks the words of a total against the groups' tags, and of a round makes the next model as the coordinator does.
/// @param words   of the total; a round's next model is made in their place, where nothing is frozen
/// @param digest  job_digest() of the job
/// @param key     K, on which the job's sites agreed
/// kDataLoss where the total isn't the sum of what the sites sent; kFailedPrecondition where a site's result was
/// unusable.
Result<CheckedTotal> check_total(const wire::GroupTotal& total, aggregation::StreamingSum words,
                                 const job::JobSpec& job, const crypto::Digest& digest, const crypto::SecretBytes& key,
                                 const LastModel& last_model);

/// Signs a statement as one site. @return a commit with this signature alone, encoded
Result<std::vector<std::byte>> sign_commit(const secagg::CommitStatement& statement, std::string site,
                                           std::string certificate, const pki::Signer& signer);

}  // namespace consilium::session
