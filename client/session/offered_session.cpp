#include "client/session/offered_session.h"

#include <utility>

#include "common/job/cohort_rules.h"
#include "common/model/model_parameters.h"

namespace consilium::session {
namespace {

/// Returns the group that a sum is over. Masked counts are summed over this site's own group, and so is a round of
/// training in mode masked. Every other sum has group 0.
std::uint32_t group_of(const job::JobSpec& spec, const job::SessionKey& key, const std::string& site) {
  const bool grouped = job::is_masked(spec) && (key.kind != job::SumKind::kTrain || job::sums_whole_groups(spec));
  return grouped ? job::count_group_of(spec, site) : 0;
}

}  // namespace

Result<ActiveSession> check_offer(const wire::SessionOffer& offer, const AcceptedJob& job, const std::string& site) {
  CONSILIUM_ASSIGN(job::RoundOrder order, job::decode_round_order(offer.order));
  CONSILIUM_ASSIGN(const job::RoundOrder expected,
                   job::expected_order(job.spec, offer.key, order.normaliser, order.model,
                                       group_of(job.spec, offer.key, site), order.labels));
  if (order != expected) {
    return fail(ErrorCode::kPermissionDenied,
                "the round order doesn't match the accepted job");  // check: order
  }
  CONSILIUM_ASSIGN(const ParameterManifest manifest, model::build_manifest(job.spec.model));
  const std::uint64_t expected_bytes =
      offer.key.kind == job::SumKind::kCensus ? 0 : manifest.parameter_count() * sizeof(float);
  if (offer.model_bytes != expected_bytes) {
    return fail(ErrorCode::kInvalidArgument, "the global model has " + std::to_string(offer.model_bytes) +
                                                 " bytes, but the job's model has " + std::to_string(expected_bytes));
  }
  ActiveSession session{offer.key, std::move(order), offer.model_bytes};
  session.masked = job::is_masked(job.spec);
  session.whole_group = job::sums_whole_groups(job.spec);
  return session;
}

}  // namespace consilium::session
