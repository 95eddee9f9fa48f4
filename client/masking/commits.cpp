#include "client/masking/commits.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>

#include "common/job/cohort_draw.h"
#include "common/job/cohort_rules.h"
#include "common/model/model_parameters.h"
#include "common/secagg/commit.h"
#include "common/secagg/roster_authenticator.h"

namespace consilium::masking {

Result<std::vector<std::uint32_t>> counted_groups(const GroupLedger& ledger, const crypto::Digest& job) {
  CONSILIUM_ASSIGN(auto counted, ledger.committed_groups({job, job::SumKind::kCensus, 0}));
  if (!counted) {
    return fail(ErrorCode::kUnavailable,
                "this site knows of no committed census of the job, so it can't check which groups a round draws");
  }
  return *std::move(counted);
}

Result<void> accept_commit(const SiteTrust& trust, GroupLedger& ledger, const job::JobSpec& job,
                           const crypto::Digest& digest, const job::SessionKey& key, std::span<const std::byte> bytes) {
  CONSILIUM_ASSIGN(const secagg::SignedCommit commit, secagg::decode_commit(bytes));
  const secagg::CommitStatement& statement = commit.statement;
  if (statement.job != digest || statement.kind != key.kind || statement.round != key.round) {
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("{}: the commit belongs to another sum", job::to_string(key)));  // check: commit-sum
  }
  const secagg::RosterAuthenticator authenticator(trust.authorities, job.federation.roster);
  CONSILIUM_TRY(secagg::check_commit(commit, job::count_groups(job), job::colluding_sites(job),
                                     authenticator));  // check: commit-signatures
  std::vector<std::uint32_t> included, counted;
  for (const secagg::IncludedGroup& group : statement.groups) included.push_back(group.group);
  if (statement.kind != job::SumKind::kCensus) {
    CONSILIUM_ASSIGN(counted, counted_groups(ledger, digest));
  }
  CONSILIUM_TRY(
      job::check_groups_summed(job, statement.kind, statement.round, counted, included));  // check: commit-groups
  return ledger.commit({digest, statement.kind, statement.round}, crypto::sha256(secagg::commit_bytes(statement)),
                       statement.model, included);
}

Result<void> check_drawn(const GroupLedger& ledger, const job::JobSpec& job, const job::RoundOrder& order) {
  if (order.kind == job::SumKind::kCensus) return {};
  CONSILIUM_ASSIGN(const std::vector<std::uint32_t> counted, counted_groups(ledger, order.job));
  const auto groups = job::groups_summed(job::group_draw(job), order.kind, order.round, counted);
  if (std::ranges::binary_search(groups, order.group)) return {};
  return fail(ErrorCode::kPermissionDenied,
              std::ranges::binary_search(counted, order.group)
                  ? fmt::format("the job's seed doesn't draw this site's group in round {}", order.round)
                  : "this site's group isn't in the job's census, so it can't be in a later sum");
}

Result<void> check_predecessor(const GroupLedger& ledger, const job::RoundOrder& order, const crypto::Digest& initial) {
  CONSILIUM_ASSIGN(const bool closed, ledger.is_closed(sum_of(order)));
  if (closed) {
    return fail(ErrorCode::kPermissionDenied,
                "this sum or a later one is committed, so there is no other attempt at it");  // check: commit-final
  }
  if (order.kind == job::SumKind::kCensus) return {};
  const bool first = order.kind == job::SumKind::kTrain && order.round == 1;
  SumId before{order.job, job::SumKind::kTrain, order.kind == job::SumKind::kTrain ? order.round - 1 : order.round};
  if (first) before.kind = job::SumKind::kCensus;
  CONSILIUM_ASSIGN(const auto committed, ledger.committed_model(before));
  if (!committed) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("this site knows of no commit of {} {}, which must come first", job::name_of(before.kind),
                            before.round));  // check: commit-predecessor
  }
  const crypto::Digest expected = first ? initial : committed.value_or(crypto::Digest{});
  if (order.model != expected) {
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("the order names the model {}, but expected is {}, {}", crypto::to_hex(order.model),
                            crypto::to_hex(expected),
                            first ? "the job's initial weights" : "the committed one"));  // check: commit-model
  }
  return {};
}

Result<crypto::Digest> initial_model(const job::JobSpec& job) {
  if (job.initial_weights_digest) return *job.initial_weights_digest;
  CONSILIUM_ASSIGN(const ParameterVector weights, model::initial_weights(job.model, job.seed));
  return crypto::sha256(std::as_bytes(std::span(weights)));
}

}  // namespace consilium::masking
