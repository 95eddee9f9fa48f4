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

/// How a site checks the total of sums over whole groups (mode `masked`), and what follows from it. Pure: the caller is
/// responsible for the site's records and for its stored models. The daemons and the simulator share this code.
namespace consilium::session {

/// Returns whether this site has sent a vector under a cohort, which is ctx2 of an attempt.
using SentUnder = std::function<Result<bool>(const crypto::Digest& cohort)>;
/// Checks that a total includes enough of the groups that the job draws for it (job::check_groups_summed()). If it
/// includes the site's own group, also checks that the site sent its vector in the attempt that was included.
/// kPermissionDenied or kDataLoss if a check fails.
/// @param own_group  job::count_group_of() the site
/// @param counted    the groups that the census counted, ascending; empty for a census. Of the groups that take part in
///                   a census, the site knows only that they are more than half of the job's
///                   (secagg::check_agreement_adverts)
Result<void> check_included(const wire::GroupTotal& total, const job::JobSpec& job, std::uint32_t own_group,
                            std::span<const std::uint32_t> counted, const SentUnder& sent);

/// Allocates memory for a total's words, which the caller reads into masked_words(). kDataLoss if the total's number of
/// words isn't the job's.
Result<aggregation::StreamingSum> room_for_total(const wire::GroupTotal& total, const job::JobSpec& job);

/// Returns the model that a round's update is added to, which is the last committed one. It must stay valid until
/// check_total() has returned.
using LastModel = std::function<Result<std::span<const float>>(std::size_t parameters)>;

struct CheckedTotal {
  secagg::CommitStatement statement;
  std::span<const float> model;      ///< the next model, if the sum is a round of training; otherwise empty
  aggregation::StreamingSum memory;  ///< contains the model unless layers are frozen
  ParameterVector whole;             ///< contains the model if layers are frozen, because a total is shorter then
};

/// Checks the words of a total against the groups' tags. For a round of training, also computes the next model as the
/// coordinator does.
/// @param words   the words of the total. Unless layers are frozen, the next model is computed in place, in this memory
/// @param digest  job_digest() of the job
/// @param key     K, the key that the job's sites agreed on
/// kDataLoss if the total isn't the sum of what the sites sent; kFailedPrecondition if a site's result was unusable.
Result<CheckedTotal> check_total(const wire::GroupTotal& total, aggregation::StreamingSum words,
                                 const job::JobSpec& job, const crypto::Digest& digest, const crypto::SecretBytes& key,
                                 const LastModel& last_model);

/// Signs a statement for one site.
/// @return a commit with only this signature, encoded
Result<std::vector<std::byte>> sign_commit(const secagg::CommitStatement& statement, std::string site,
                                           std::string certificate, const pki::Signer& signer);

}  // namespace consilium::session
