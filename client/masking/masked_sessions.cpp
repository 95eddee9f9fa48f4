#include "client/masking/masked_sessions.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "common/files/files.h"
#include "common/job/cohort_rules.h"
#include "common/secagg/messages.h"
#include "common/secagg/roster_authenticator.h"
#include "common/secagg/transcript.h"

namespace consilium::masking {

MaskedSessions::MaskedSessions(SiteTrust trust, Ledger ledger) : trust_(std::move(trust)), ledger_(std::move(ledger)) {}

Result<secagg::SiteSetup> MaskedSessions::setup_of(const job::SessionKey& key, const job::RoundOrder& order,
                                                   const job::JobSpec& job) {
  secagg::SiteSetup setup;
  setup.context = secagg::attempt_context(order);
  setup.site = trust_.site;
  CONSILIUM_ASSIGN(setup.certificate, files::read_file(trust_.certificate, secagg::kMaxCertificateBytes));
  setup.colluding = job::colluding_sites(job);
  setup.minimum_survivors = trust_.minimum_survivors;
  setup.eligible = key.kind == job::SumKind::kTrain ? job.federation.sites : job::count_groups(job).at(order.group);
  if (key.kind == job::SumKind::kEvaluate) {
    CONSILIUM_ASSIGN(setup.exactly, ledger_.members(key.job_id));
    if (!setup.exactly) {
      return fail(
          ErrorCode::kFailedPrecondition,
          fmt::format(
              "{}: this site took part in no census of the job, so it can't check which sites' counts are summed",
              job::to_string(key)));
    }
  }
  return setup;
}

Result<std::vector<std::byte>> MaskedSessions::begin(const job::SessionKey& key, const job::RoundOrder& order,
                                                     const job::JobSpec& job) {
  CONSILIUM_ASSIGN(secagg::SiteSetup setup, setup_of(key, order, job));
  CONSILIUM_TRY(ledger_.begin_attempt(key));  // check: attempt-begun
  // The job continues, so its earlier sessions are finished.
  std::erase_if(revealed_, [&](const job::SessionKey& done) {
    return done.job_id == key.job_id && ledger_.forget_session(done).has_value();
  });
  Session session{order, job.data.dataset,
                  std::make_unique<secagg::RosterAuthenticator>(trust_.authorities, job.federation.roster), nullptr,
                  std::nullopt};
  CONSILIUM_ASSIGN(session.signer, pki::make_file_signer(trust_.key));
  CONSILIUM_ASSIGN(session.protocol,
                   secagg::SiteProtocol::start(std::move(setup), *session.authenticator, *session.signer, random_));
  std::vector<std::byte> advert = secagg::encode(secagg::SiteMessage(session.protocol->advert()));
  sessions_.insert_or_assign(key, std::move(session));
  return advert;
}

Result<std::optional<secagg::SiteMessage>> MaskedSessions::advance(const job::SessionKey& key, Session& session,
                                                                   const secagg::CoordinatorMessage& message) {
  CONSILIUM_ASSIGN(std::optional<secagg::SiteMessage> answer, session.protocol->receive(message));
  if (const auto* survivors = std::get_if<secagg::Survivors>(&message)) {
    const std::vector<std::string> names = session.protocol->names_of(*survivors);
    // A census has no model. It is identified by the job's digest, whatever id the coordinator gives the job.
    const crypto::Digest& of = key.kind == job::SumKind::kCensus ? session.order.job : session.order.model;
    const Ledger::SurvivorList list{key, of, session.dataset, names};
    CONSILIUM_TRY(ledger_.confirm(list, trust_.allow_changed_cohort));  // check: survivors-recorded
    if (key.kind == job::SumKind::kCensus) CONSILIUM_TRY(ledger_.set_members(key.job_id, names));
  }
  return answer;
}

Result<MaskedSessions::Answer> MaskedSessions::receive(const job::SessionKey& key, std::span<const std::byte> bytes) {
  auto answer = answer_to(key, bytes);
  if (!answer) sessions_.erase(key);  // whatever was wrong, nothing more will be sent
  return answer;
}

Result<MaskedSessions::Answer> MaskedSessions::answer_to(const job::SessionKey& key, std::span<const std::byte> bytes) {
  const crypto::Digest request = crypto::sha256(bytes);
  CONSILIUM_ASSIGN(std::optional<std::vector<std::byte>> said, ledger_.reply_to(key, request));
  if (said) return Answer{*std::move(said)};
  const auto found = sessions_.find(key);
  if (found == sessions_.end())
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("{}: this site isn't in that session", job::to_string(key)));
  CONSILIUM_ASSIGN(const secagg::CoordinatorMessage message, secagg::decode_coordinator_message(bytes));
  const bool was_keyed = found->second.protocol->keyed();
  CONSILIUM_ASSIGN(const std::optional<secagg::SiteMessage> said_now, advance(key, found->second, message));
  Answer answer;
  answer.keyed = !was_keyed && found->second.protocol->keyed();
  if (!said_now) return answer;
  answer.bytes = secagg::encode(*said_now);
  CONSILIUM_TRY(ledger_.keep_reply(key, request, answer.bytes));
  answer.confirmed = std::holds_alternative<secagg::Confirmation>(*said_now);
  answer.revealed = std::holds_alternative<secagg::Reveal>(*said_now);
  if (!answer.revealed) return answer;
  sessions_.erase(found);
  revealed_.push_back(key);
  return answer;
}

Result<std::vector<secagg::MaskTerm>> MaskedSessions::take_masks(const job::SessionKey& key) {
  const auto found = sessions_.find(key);
  if (found == sessions_.end())
    return fail(ErrorCode::kFailedPrecondition, fmt::format("{}: the masks no longer exist", job::to_string(key)));
  return found->second.protocol->take_masks();
}

void MaskedSessions::end(const job::SessionKey& key) {
  sessions_.erase(key);
  // Whatever can't be removed now is removed with the job or at the next start.
  static_cast<void>(ledger_.forget_session(key));
}

void MaskedSessions::end_job(const std::string& job_id) {
  std::erase_if(sessions_, [&](const auto& entry) { return entry.first.job_id == job_id; });
  std::erase_if(revealed_, [&](const job::SessionKey& key) { return key.job_id == job_id; });
  static_cast<void>(ledger_.forget_job(job_id));
}

}  // namespace consilium::masking
