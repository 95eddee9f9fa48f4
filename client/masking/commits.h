#pragma once

#include <cstddef>
#include <span>

#include "client/masking/group_ledger.h"
#include "client/masking/masked_sessions.h"
#include "common/job/job_spec.h"
#include "common/job/round_order.h"

/// What a site holds the coordinator to between the sums of a job in mode `masked`.
namespace consilium::masking {

/// Which groups the job's committed census counted, ascending. kUnavailable where this site doesn't know that census
/// to be committed: whoever is away then is told of it when it is back, before anything that follows.
Result<std::vector<std::uint32_t>> counted_groups(const GroupLedger& ledger, const crypto::Digest& job);

/// Takes a commit: enough sites have signed what a census or a round led to. The ledger then knows its model, which the
/// next orders must name. Nothing changes where it is known already.
/// kPermissionDenied where the commit is about something else, lacks signatures, or includes groups that the job
/// doesn't draw in its round, and where this site signed another outcome: the job is over for it then. kUnavailable as
/// counted_groups().
Result<void> accept_commit(const SiteTrust& trust, GroupLedger& ledger, const job::JobSpec& job,
                           const crypto::Digest& digest, const job::SessionKey& key, std::span<const std::byte> bytes);

/// Checks that a sum follows what is committed: the census nothing, round 1 the census and the job's initial weights,
/// each later round the round before and its model, an evaluation its round and its model.
/// @param initial  SHA-256 of the initial weights that the job gives
/// kFailedPrecondition where the commit isn't known here, kPermissionDenied where the order names another model.
Result<void> check_predecessor(const GroupLedger& ledger, const job::RoundOrder& order, const crypto::Digest& initial);

/// Checks that a sum is over the order's group at all: the census counted it, and the job's seed draws it in this round
/// of training. kPermissionDenied where not; kUnavailable as counted_groups().
Result<void> check_drawn(const GroupLedger& ledger, const job::JobSpec& job, const job::RoundOrder& order);

/// SHA-256 of the initial weights that a job gives: those that it names by digest, else those that its seed draws.
Result<crypto::Digest> initial_model(const job::JobSpec& job);

}  // namespace consilium::masking
