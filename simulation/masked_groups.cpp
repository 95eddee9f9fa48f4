#include "simulation/masked_groups.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <system_error>

#include "client/masking/commits.h"
#include "client/session/checked_total.h"
#include "common/files/files.h"
#include "common/job/cohort_rules.h"
#include "common/job/job_text.h"
#include "common/secagg/agreement_transcript.h"
#include "common/secagg/group_messages.h"
#include "common/secagg/group_transcript.h"
#include "common/secagg/mask.h"
#include "common/secagg/sum_keys.h"

namespace consilium::simulation {
namespace {

Result<void> read_blob(const journal::BlobStore& blobs, const crypto::Digest& digest, std::span<std::byte> bytes) {
  CONSILIUM_ASSIGN(const std::size_t read, blobs.read(digest, 0, bytes));
  if (read == bytes.size()) return {};
  return fail(ErrorCode::kDataLoss,
              fmt::format("blob {}: expected {} bytes, found {}", crypto::to_hex(digest), bytes.size(), read));
}

}  // namespace

Result<std::unique_ptr<MaskedGroups>> MaskedGroups::create(job::JobSpec spec, const SiteIdentities& identities,
                                                           DropPlan drops) {
  CONSILIUM_ASSIGN(files::TemporaryFolder folder, files::TemporaryFolder::create("consilium-vectors"));
  std::unique_ptr<MaskedGroups> made(
      new MaskedGroups(std::move(spec), identities, std::move(drops), std::move(folder)));
  CONSILIUM_ASSIGN(made->model_, masking::initial_model(made->spec_));
  return made;
}

MaskedGroups::MaskedGroups(job::JobSpec spec, const SiteIdentities& identities, DropPlan drops,
                           files::TemporaryFolder folder)
    : spec_(std::move(spec)),
      digest_(job::job_digest(spec_)),
      groups_(job::count_groups(spec_)),
      identities_(identities),
      plan_(std::move(drops)),
      folder_(std::move(folder)) {}

// The job's key.

Result<std::vector<std::byte>> MaskedGroups::agree(const std::string& site, const wire::KeyAgreement& step) {
  auto found = agreements_.find(site);
  if (step.message.empty()) {
    const SiteIdentities::Identity& own = identities_.of(site);
    secagg::AgreementSiteSetup setup{
        {digest_, step.attempt, groups_, job::colluding_sites(spec_)}, site, own.certificate};
    CONSILIUM_ASSIGN(
        secagg::AgreementSite begun,
        secagg::AgreementSite::start(std::move(setup), *identities_.authenticator(), *own.signer, random_));
    found = agreements_.insert_or_assign(site, std::pair(step.attempt, std::move(begun))).first;
    return secagg::encode(secagg::AgreementSiteMessage(found->second.second.advert()));
  }
  if (found == agreements_.end() || found->second.first != step.attempt) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("{} isn't in try {} of the key agreement", site, step.attempt));
  }
  CONSILIUM_ASSIGN(const auto message, secagg::decode_agreement_coordinator_message(step.message));
  CONSILIUM_ASSIGN(const secagg::AgreementSiteMessage answer, found->second.second.receive(message));
  if (const crypto::SecretBytes* key = found->second.second.key()) {
    CONSILIUM_ASSIGN(keys_[site], key->clone());
  }
  return secagg::encode(answer);
}

// Dropouts.

void MaskedGroups::open_round(std::uint32_t round, const std::vector<std::string>& cohort) {
  if (round == round_) return;
  for (const std::string& site : spec_.federation.sites) {
    std::error_code ignored;
    std::filesystem::remove(file_of(site), ignored);
  }
  round_ = round;
  repeated_groups_.clear();
  silent_ = draw_dropouts(plan_, spec_.seed, round, cohort);
  for (const auto& [site, step] : silent_) {
    if (step == secagg::Phase::kUploading) repeated_groups_.insert(job::count_group_of(spec_, site));
  }
}

bool MaskedGroups::falls_silent(const std::string& site, const job::RoundOrder& order, secagg::Phase step) {
  if (order.kind != job::SumKind::kTrain || order.round != round_) return false;
  const auto drawn = silent_.find(site);
  if (drawn == silent_.end() || drawn->second != step) return false;
  for (const std::string& member : groups_.at(order.group)) {
    const auto other = silent_.find(member);
    if (other != silent_.end() && other->second == step) silent_.erase(other);
  }
  return true;
}

std::filesystem::path MaskedGroups::file_of(const std::string& site) const {
  return folder_.path() / (site + ".words");
}

Result<void> MaskedGroups::keep(const std::string& site, const job::RoundOrder& order,
                                std::span<const std::uint32_t> words) {
  std::error_code problem;
  if (order.kind != job::SumKind::kTrain || !repeated_groups_.contains(order.group)) return {};
  if (std::filesystem::exists(file_of(site), problem)) return {};
  return files::replace_file(file_of(site), std::as_bytes(words), files::Access::kOwner);
}

Result<std::optional<std::vector<std::uint32_t>>> MaskedGroups::kept(const std::string& site,
                                                                     const job::RoundOrder& order) const {
  std::error_code problem;
  if (order.kind != job::SumKind::kTrain || !std::filesystem::exists(file_of(site), problem)) return std::nullopt;
  std::vector<std::uint32_t> words(order.layout.word_count());
  CONSILIUM_TRY(files::read_exactly(file_of(site), std::as_writable_bytes(std::span(words))));
  return words;
}

// Attempts at sums.

Result<std::vector<std::byte>> MaskedGroups::begin(const std::string& site, const job::SessionKey& key,
                                                   const job::RoundOrder& order) {
  agreements_.clear();
  attempts_.erase(site);
  if (order.kind != job::SumKind::kCensus && order.model != model_) {
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("the order names the model {}, expected the committed one, {}", crypto::to_hex(order.model),
                            crypto::to_hex(model_)));
  }
  const auto agreed = keys_.find(site);
  if (agreed == keys_.end()) return fail(ErrorCode::kFailedPrecondition, "the job's sites haven't agreed on a key yet");
  CONSILIUM_ASSIGN(const crypto::Digest confirmation, secagg::agreement_confirmation(agreed->second, digest_));
  const SiteIdentities::Identity& own = identities_.of(site);
  Memory& memory = memories_[site];
  secagg::GroupSiteSetup setup;
  setup.context = secagg::attempt_context(order, confirmation);
  setup.site = site;
  setup.certificate = own.certificate;
  setup.members = groups_.at(order.group);
  setup.colluding = job::colluding_sites(spec_);
  setup.number = ++memory.adverts;
  memory.seen.resize(setup.members.size() - 1);
  setup.seen = memory.seen;
  CONSILIUM_ASSIGN(secagg::GroupSite begun,
                   secagg::GroupSite::start(std::move(setup), *identities_.authenticator(), *own.signer, random_));
  std::vector<std::byte> advert = secagg::encode(begun.advert());
  attempts_.insert_or_assign(site, Attempt{key, order, std::move(begun)});
  return advert;
}

Result<void> MaskedGroups::receive(const std::string& site, const wire::Masking& step) {
  const auto found = attempts_.find(site);
  if (found == attempts_.end() || found->second.key != step.key) return {};
  CONSILIUM_ASSIGN(const secagg::GroupAdvertList list, secagg::decode_group_advert_list(step.message));
  return found->second.site.receive(list);
}

bool MaskedGroups::keyed(const std::string& site, const job::SessionKey& key) const {
  const auto found = attempts_.find(site);
  return found != attempts_.end() && found->second.key == key && found->second.site.keyed();
}

const job::RoundOrder* MaskedGroups::order_of(const std::string& site, const job::SessionKey& key) const {
  const auto found = attempts_.find(site);
  return found != attempts_.end() && found->second.key == key ? &found->second.order : nullptr;
}

Result<secagg::FieldElement> MaskedGroups::mask(const std::string& site, std::span<std::uint32_t> words,
                                                unsigned threads) {
  const auto found = attempts_.find(site);
  if (found == attempts_.end()) return fail(ErrorCode::kFailedPrecondition, site + " is in no attempt");
  const job::RoundOrder& order = found->second.order;
  secagg::GroupSite& protocol = found->second.site;
  const crypto::Digest cohort = protocol.cohort();
  memories_[site].seen = protocol.others();
  CONSILIUM_ASSIGN(const std::vector<secagg::MaskTerm> terms, protocol.take_masks());
  CONSILIUM_ASSIGN(const crypto::SecretBytes r, secagg::tag_key(keys_.at(site), order.kind, order.round));
  CONSILIUM_ASSIGN(const crypto::SecretBytes offset,
                   secagg::tag_offset(keys_.at(site), order.kind, order.round, order.group, cohort));
  CONSILIUM_ASSIGN(const secagg::FieldElement value, secagg::accumulate_tag(r, words, threads));
  CONSILIUM_ASSIGN(const secagg::FieldElement hidden, secagg::tag_mask(terms, words.size()));
  CONSILIUM_TRY(secagg::add_masks(terms, 0, words, threads));
  sent_.emplace(site, cohort);
  return secagg::masked_tag(offset, value, hidden);
}

// Totals and commits.

Result<void> MaskedGroups::check(const std::string& site, const wire::GroupTotal& total,
                                 const journal::BlobStore& blobs) {
  CONSILIUM_TRY(session::check_included(total, spec_, job::count_group_of(spec_, site), counted_,
                                        [&](const crypto::Digest& cohort) -> Result<bool> {
                                          return sent_.contains({site, cohort});
                                        }));
  if (checked_ && checked_->first == total) return {};
  CONSILIUM_ASSIGN(secagg::CommitStatement statement, statement_of(site, total, blobs));
  checked_ = {total, std::move(statement)};
  return {};
}

Result<secagg::CommitStatement> MaskedGroups::statement_of(const std::string& site, const wire::GroupTotal& total,
                                                           const journal::BlobStore& blobs) const {
  CONSILIUM_ASSIGN(aggregation::StreamingSum words, session::room_for_total(total, spec_));
  CONSILIUM_TRY(read_blob(blobs, total.total, std::as_writable_bytes(words.masked_words())));
  ParameterVector model;
  const auto last_model = [&](std::size_t parameters) -> Result<std::span<const float>> {
    model.resize(parameters);
    CONSILIUM_TRY(read_blob(blobs, model_, std::as_writable_bytes(std::span(model))));
    return std::span<const float>(model);
  };
  CONSILIUM_ASSIGN(session::CheckedTotal checked,
                   session::check_total(total, std::move(words), spec_, digest_, keys_.at(site), last_model));
  return std::move(checked.statement);
}

Result<std::vector<std::byte>> MaskedGroups::endorse(const std::string& site) const {
  if (!checked_) return fail(ErrorCode::kFailedPrecondition, site + " hasn't checked a total");
  const SiteIdentities::Identity& own = identities_.of(site);
  return session::sign_commit(checked_->second, site, own.certificate, *own.signer);
}

Result<void> MaskedGroups::committed(const wire::RoundCommitted& commit) {
  if (committed_ == commit || census_ == commit) return {};  // repeated for a site that has reconnected
  CONSILIUM_ASSIGN(const secagg::SignedCommit decoded, secagg::decode_commit(commit.commit));
  CONSILIUM_TRY(secagg::check_commit(decoded, groups_, job::colluding_sites(spec_), *identities_.authenticator()));
  if (!checked_ || decoded.statement != checked_->second)
    return fail(ErrorCode::kPermissionDenied, "the commit differs from what the sites have signed");
  if (decoded.statement.kind == job::SumKind::kTrain) model_ = decoded.statement.model;
  if (commit.key.kind == job::SumKind::kCensus) {
    census_ = commit;
    counted_.clear();
    for (const secagg::IncludedGroup& group : decoded.statement.groups) counted_.push_back(group.group);
  }
  committed_ = commit;
  sent_.clear();
  return {};
}

}  // namespace consilium::simulation
