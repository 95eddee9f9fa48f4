#include "client/masking/group_sessions.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "client/masking/commits.h"
#include "common/files/files.h"
#include "common/job/cohort_rules.h"
#include "common/secagg/agreement_transcript.h"
#include "common/secagg/group_messages.h"
#include "common/secagg/group_transcript.h"
#include "common/secagg/roster_authenticator.h"
#include "common/secagg/sum_keys.h"

namespace consilium::masking {

Result<void> GroupSessions::check_order(const job::RoundOrder& order, const job::JobSpec& job) {
  CONSILIUM_ASSIGN(const auto end, ledger_.ended(order.job));
  if (end) return fail(ErrorCode::kPermissionDenied, "this site takes no further part in the job: " + *end);
  const bool first = order.kind == job::SumKind::kTrain && order.round == 1;
  if (first && !initial_models_.contains(order.job)) {
    CONSILIUM_ASSIGN(initial_models_[order.job], initial_model(job));
  }
  CONSILIUM_TRY(check_predecessor(ledger_, order, first ? initial_models_.at(order.job) : crypto::Digest{}));
  CONSILIUM_TRY(check_drawn(ledger_, job, order));  // check: group-drawn
  return {};
}

Result<std::vector<std::byte>> GroupSessions::begin(const job::SessionKey& key, const job::RoundOrder& order,
                                                    const job::JobSpec& job) {
  CONSILIUM_TRY(check_order(order, job));  // check: group-follows
  CONSILIUM_ASSIGN(crypto::SecretBytes agreed, keys_.key(order.job));
  CONSILIUM_ASSIGN(const crypto::Digest confirmation, secagg::agreement_confirmation(agreed, order.job));
  Session session{order,
                  job::count_groups(job).at(order.group),
                  std::make_unique<secagg::RosterAuthenticator>(trust_.authorities, job.federation.roster),
                  nullptr,
                  std::nullopt,
                  std::move(agreed)};
  CONSILIUM_ASSIGN(session.signer, pki::make_file_signer(trust_.key));
  secagg::GroupSiteSetup setup;
  setup.context = secagg::attempt_context(order, confirmation);
  setup.site = trust_.site;
  CONSILIUM_ASSIGN(setup.certificate, files::read_file(trust_.certificate, secagg::kMaxCertificateBytes));
  setup.members = session.group;
  setup.colluding = job::colluding_sites(job);
  CONSILIUM_ASSIGN(setup.number, ledger_.next_advert(session.group));
  CONSILIUM_ASSIGN(setup.seen, ledger_.seen(session.group, trust_.site));
  const std::uint64_t number = setup.number;
  CONSILIUM_ASSIGN(session.site,
                   secagg::GroupSite::start(std::move(setup), *session.authenticator, *session.signer, random_));
  CONSILIUM_TRY(ledger_.begin(sum_of(order), order.attempt, session.group,
                              {number, session.site->advert_digest()}));  // check: group-attempt-begun
  std::vector<std::byte> advert = secagg::encode(session.site->advert());
  sessions_.insert_or_assign(key, std::move(session));
  return advert;
}

Result<void> GroupSessions::receive(const job::SessionKey& key, std::span<const std::byte> message) {
  const auto found = sessions_.find(key);
  if (found == sessions_.end())
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("{}: this site isn't in that session", job::to_string(key)));
  auto taken = receive(found->second, message);
  if (!taken) sessions_.erase(found);  // whatever was wrong, nothing more will be sent
  return taken;
}

Result<void> GroupSessions::receive(Session& session, std::span<const std::byte> message) {
  CONSILIUM_ASSIGN(const secagg::GroupAdvertList list, secagg::decode_group_advert_list(message));
  CONSILIUM_TRY(session.site->receive(list));
  CONSILIUM_TRY(check_claims(session));  // check: group-claims
  return {};
}

Result<void> GroupSessions::check_claims(const Session& session) {
  auto known = ledger_.check_claims(session.group, session.site->claims());
  // Later adverts would hide the disagreement. The site therefore leaves the job for good, and the group until it has
  // adopted the other members' ledgers.
  if (known) return {};
  CONSILIUM_TRY(ledger_.end_job(session.order.job, known.error().message));
  CONSILIUM_TRY(ledger_.set_back(session.group, known.error().message));  // check: group-set-back-noted
  return known;
}

Result<GroupMasks> GroupSessions::take_masks(const job::SessionKey& key) {
  const auto found = sessions_.find(key);
  if (found == sessions_.end())
    return fail(ErrorCode::kFailedPrecondition, fmt::format("{}: the masks no longer exist", job::to_string(key)));
  Session& session = found->second;
  const job::RoundOrder& order = session.order;
  // This is not the job's current key, because the sites may have agreed on another one since the adverts. If this
  // site's tag used the new key while others' used the old one, anyone who knows both keys could learn 61 bits of this
  // site's vector.
  const crypto::SecretBytes& agreed = session.agreed;
  GroupMasks masks;
  CONSILIUM_ASSIGN(masks.tag_key, secagg::tag_key(agreed, order.kind, order.round));
  masks.cohort = session.site->cohort();
  CONSILIUM_ASSIGN(masks.tag_offset, secagg::tag_offset(agreed, order.kind, order.round, order.group, masks.cohort));
  masks.others = session.site->others();
  CONSILIUM_ASSIGN(masks.terms, session.site->take_masks());
  return masks;
}

void GroupSessions::end_job(const std::string& job_id) {
  std::erase_if(sessions_, [&](const auto& entry) { return entry.first.job_id == job_id; });
}

}  // namespace consilium::masking
