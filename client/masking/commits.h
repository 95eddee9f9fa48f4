#pragma once

#include <cstddef>
#include <span>

#include "client/masking/group_ledger.h"
#include "client/masking/masked_sessions.h"
#include "common/job/job_spec.h"
#include "common/job/round_order.h"

/// The checks by which a site constrains the coordinator between the sums of a job in mode `masked`.
namespace consilium::masking {

/// Returns the groups that the job's committed census counted, in ascending order. kUnavailable if this site doesn't
/// know that census to be committed. A site that was offline learns of the commit when it returns, before anything that
/// follows.
Result<std::vector<std::uint32_t>> counted_groups(const GroupLedger& ledger, const crypto::Digest& job);

/// Accepts a commit, which shows that enough sites have signed the outcome of a census or a round. The ledger then
/// knows the resulting model, which the next orders must name. Nothing changes if the commit is known already.
/// kPermissionDenied if the commit is about something else, lacks signatures, or includes groups that the job doesn't
/// draw in its round. Also kPermissionDenied if this site signed another outcome; the job is then over for it.
/// kUnavailable as for counted_groups().
Result<void> accept_commit(const SiteTrust& trust, GroupLedger& ledger, const job::JobSpec& job,
                           const crypto::Digest& digest, const job::SessionKey& key, std::span<const std::byte> bytes);

/// Checks that a sum follows what is committed. A census follows nothing; round 1 follows the census and starts from
/// the job's initial weights; each later round follows the round before and its model; an evaluation follows its round
/// and its model.
/// @param initial  SHA-256 of the initial weights that the job specifies
/// kFailedPrecondition if this site doesn't know the commit, kPermissionDenied if the order names another model, or if
/// this sum or a later one is already committed.
Result<void> check_predecessor(const GroupLedger& ledger, const job::RoundOrder& order, const crypto::Digest& initial);

/// Checks that the order's group takes part in the sum: the census must have counted it, and in a round of training the
/// job's seed must draw it. kPermissionDenied if it doesn't take part; kUnavailable as for counted_groups().
Result<void> check_drawn(const GroupLedger& ledger, const job::JobSpec& job, const job::RoundOrder& order);

/// Returns the SHA-256 of a job's initial weights: those that the job names by digest, else those generated from its
/// seed.
Result<crypto::Digest> initial_model(const job::JobSpec& job);

}  // namespace consilium::masking
