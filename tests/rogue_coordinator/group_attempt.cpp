#include "tests/rogue_coordinator/group_attempt.h"

#include <algorithm>
#include <deque>
#include <numeric>
#include <thread>

#include "common/aggregation/strategy.h"
#include "common/aggregation/streaming_sum.h"
#include "common/encoding/fixed_point.h"
#include "common/job/cohort_draw.h"
#include "common/job/cohort_rules.h"
#include "common/job/job_text.h"
#include "common/model/model_parameters.h"
#include "common/secagg/agreement_coordinator.h"
#include "common/secagg/agreement_site.h"
#include "common/secagg/agreement_transcript.h"
#include "common/secagg/group_transcript.h"
#include "common/secagg/sum_keys.h"
#include "common/secagg/tag.h"
#include "tests/catch.h"

namespace consilium::rogue {

using namespace secagg;
using job::SumKind;

namespace {

constexpr std::size_t kTagWords = kTagBytes / sizeof(std::uint32_t);

FieldElement offset_of(const crypto::SecretBytes& agreed, const job::RoundOrder& order, const crypto::Digest& cohort) {
  const auto secret = tag_offset(agreed, order.kind, order.round, order.group, cohort).value();
  return field_from(secret.bytes().first<kFieldSecretBytes>());
}

FieldElement tag_in(const Words& words) {
  return words[words.size() - 2] | std::uint64_t{words[words.size() - 1]} << 32;
}

}  // namespace

GroupJob::GroupJob(Stage& stage, job::JobSpec job, std::string job_id)
    : stage(stage),
      agreed(crypto::SecretBytes::allocate(kSumKeyBytes).value()),
      job_(std::move(job)),
      id_(std::move(job_id)),
      digest_(job::job_digest(job_)),
      authenticator_(stage.trust(), job_.federation.roster),
      weights_(model::initial_weights(job_.model, job_.seed).value()),
      agreed_next_(crypto::SecretBytes::allocate(kSumKeyBytes).value()) {
  const bool accepted = stage.offer(id_, job_);
  INFO(stage.log());
  REQUIRE(accepted);
  model = stage.put(std::as_bytes(std::span(weights_)));
}

void GroupJob::tell(const AgreementCoordinatorMessage& message) {
  stage.send(wire::KeyAgreement{id_, try_, encode(message)});
}

void GroupJob::agree_but_last(std::uint32_t attempt) {
  try_ = attempt;
  const AgreementSetup setup{digest_, attempt, groups(), job::colluding_sites(job_)};
  AgreementCoordinator coordinator = AgreementCoordinator::start(setup, authenticator_).value();
  std::map<std::string, AgreementSite> sites;
  std::deque<std::pair<std::string, AgreementSiteMessage>> said;
  for (const std::string& site : played()) {
    const Credentials& own = stage.played(site);
    sites.emplace(
        site,
        AgreementSite::start({setup, site, own.certificate}, authenticator_, *own.signer, stage.random()).value());
    said.emplace_back(site, sites.at(site).advert());
  }
  const auto of_try = [&](const wire::KeyAgreement& step) { return step.job_id == id_ && step.attempt == attempt; };
  stage.send(wire::KeyAgreement{id_, attempt, {}});
  last_.reset();
  bool awaited = true;  // a message from north
  while (true) {
    if (said.empty()) {
      if (!awaited) break;
      const auto step = stage.next<wire::KeyAgreement>(of_try);
      INFO(stage.log());
      REQUIRE(step.has_value());
      said.emplace_back(kNorth, decode_agreement_site_message(step->message).value());
      awaited = false;
    }
    const auto [site, message] = std::move(said.front());
    said.pop_front();
    const AgreementOutput output = coordinator.receive(site, message);
    for (const auto& refused : output.refused) FAIL(refused.site << ": " << refused.error.message);
    for (const auto& [to, step] : output.messages) {
      if (to != kNorth) {
        said.emplace_back(to, sites.at(to).receive(step).value());
      } else if (std::holds_alternative<DeliveredBoxes>(step)) {
        last_ = step;
      } else {
        tell(step);
        awaited = true;
      }
    }
  }
  REQUIRE(last_.has_value());
  agreed_next_ = sites.begin()->second.key()->clone().value();
}

void GroupJob::tell_last() {
  tell(*last_);
  const auto step = stage.next<wire::KeyAgreement>(
      [&](const wire::KeyAgreement& one) { return one.job_id == id_ && one.attempt == try_; });
  INFO(stage.log());
  REQUIRE(step.has_value());
  const auto agreed_on = decode_agreement_site_message(step->message).value();
  CHECK(std::get<Agreed>(agreed_on).confirmation == agreement_confirmation(agreed_next_, digest_).value());
}

void GroupJob::agree(std::uint32_t attempt) {
  agree_but_last(attempt);
  tell_last();
  agreed = agreed_next_.clone().value();
}

std::uint32_t GroupJob::own_group() const { return job::count_group_of(job_, kNorth); }

std::vector<std::string> GroupJob::played() const {
  std::vector<std::string> sites = job_.federation.sites;
  std::erase(sites, kNorth);
  return sites;
}

job::RoundOrder GroupJob::order(const job::SessionKey& key, std::uint32_t group) const {
  // Also computes orders that the job doesn't give, for coordinators that lie.
  job::JobSpec loose = job_;
  loose.evaluation.every = 1;
  job::SessionKey one = key;
  if (key.kind == SumKind::kCensus) one.round = 0;
  const crypto::Digest from = key.kind == SumKind::kCensus ? crypto::Digest{} : model;
  job::RoundOrder order = job::expected_order(loose, one, 0, from, group, labels).value();
  order.job = digest_;
  order.round = key.round;
  return order;
}

Words GroupJob::words_of(const std::string& site, const job::RoundOrder& order) {
  Words words(order.layout.word_count());
  for (const encoding::Field& field : order.layout.fields()) {
    const auto own = std::span(words).subspan(field.offset, field.words());
    if (field.kind == encoding::FieldKind::kFixedPoint) {
      for (std::size_t i = 0; i < own.size(); ++i)
        own[i] = static_cast<std::uint32_t>(i % 3 + static_cast<unsigned char>(site[0]));
    } else if (field.name == encoding::kExamples) {
      const std::vector<std::uint64_t> counts(field.elements, kBound);
      REQUIRE(encoding::encode_counts(counts, field, own));
    }
  }
  return words;
}

GroupSum GroupJob::played_sum(SumKind kind, std::uint32_t round, std::uint32_t group) const {
  const job::RoundOrder made = order(key(kind, round), group);
  GroupSum sum{group, crypto::sha256(std::as_bytes(std::span(groups()[group][0]))), Words(made.layout.word_count()), 0};
  for (const std::string& site : groups()[group]) encoding::add_words(words_of(site, made), sum.words);
  sum.tag = accumulate_tag(tag_key(agreed, kind, round).value(), sum.words).value();
  for (std::size_t i = 0; i < groups()[group].size(); ++i)
    sum.tag = field_add(sum.tag, offset_of(agreed, made, sum.cohort));
  return sum;
}

std::vector<GroupSum> GroupJob::sums(SumKind kind, std::uint32_t round, std::uint32_t attempt) {
  std::vector<GroupSum> all;
  std::vector<std::uint32_t> counted(groups().size());
  std::iota(counted.begin(), counted.end(), 0U);
  for (const std::uint32_t group : job::groups_summed(job::group_draw(job_), kind, round, counted)) {
    if (group != own_group()) {
      all.push_back(played_sum(kind, round, group));
      continue;
    }
    GroupAttempt one(*this, kind, round, attempt);
    const bool advertised = one.offer();
    INFO(stage.log());
    REQUIRE(advertised);
    one.list();
    all.push_back(one.sum());
  }
  return all;
}

wire::GroupTotal GroupJob::total(SumKind kind, std::uint32_t round, const std::vector<GroupSum>& sums) {
  wire::GroupTotal total{key(kind, round), {}, {}, sums.front().words.size()};
  Words words(total.words);
  for (const GroupSum& sum : sums) {
    total.sums.push_back({sum.group, sum.cohort, sum.tag});
    encoding::add_words(sum.words, words);
  }
  total.total = stage.put(std::as_bytes(std::span(words)));
  return total;
}

std::optional<SignedCommit> GroupJob::endorsement(const wire::GroupTotal& total) {
  const auto about = [&](const auto& message) { return message.key == total.key; };
  while (stage.next<wire::SessionFailed>(about, std::chrono::milliseconds(0))) {
    // sent earlier, for an attempt
  }
  stage.send(total);
  std::optional<SignedCommit> found;
  const auto due = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!found && std::chrono::steady_clock::now() < due) {
    if (const auto said = stage.next<wire::Endorsement>(about, std::chrono::milliseconds(20)))
      found = decode_commit(said->commit).value();
    if (stage.next<wire::SessionFailed>(about, std::chrono::milliseconds(0))) break;
  }
  return found;
}

SignedCommit GroupJob::signed_by(const CommitStatement& statement, const std::vector<std::string>& sites) const {
  SignedCommit commit{statement, {}};
  for (const std::string& site : sites) {
    const Credentials& own = stage.played(site);
    commit.signatures.push_back({site, own.certificate, own.signer->sign(commit_bytes(statement)).value()});
  }
  return commit;
}

CommitStatement GroupJob::statement(SumKind kind, std::uint32_t round, const std::vector<GroupSum>& sums) {
  CommitStatement made{digest_, kind, round, {}, total(kind, round, sums).total, {}};
  const job::RoundOrder any = order(key(kind, round), 0);
  auto words = aggregation::StreamingSum::create(any.layout).value();
  for (const GroupSum& sum : sums) {
    made.groups.push_back({sum.group, sum.cohort});
    encoding::add_words(sum.words, words.masked_words());
  }
  aggregation::ServerState state;
  if (kind == SumKind::kTrain) {
    const double examples = static_cast<double>(words.counts(encoding::kExamples).value()[0]);
    const auto delta = words.decode_parameters(examples / static_cast<double>(any.normaliser)).value();
    REQUIRE(aggregation::make_strategy(job_.strategy)->apply(delta, weights_, weights_, state));
    made.model = stage.put(std::as_bytes(std::span(weights_)));
  }
  made.state = aggregation::state_digest(state);
  return made;
}

void GroupJob::send(const SignedCommit& commit) {
  stage.send(wire::RoundCommitted{key(commit.statement.kind, commit.statement.round), encode(commit)});
  stage.offer(id_, job_);  // its answer shows that the commit was accepted
}

task::LabelCounts GroupJob::labels_in(const std::vector<GroupSum>& sums) const {
  auto words = aggregation::StreamingSum::create(order(key(SumKind::kCensus, 0), 0).layout).value();
  for (const GroupSum& sum : sums) encoding::add_words(sum.words, words.masked_words());
  return {words.counts(encoding::kExamples).value().front(), words.counts(encoding::kClassExamples).value()};
}

std::vector<GroupSum> GroupJob::run(SumKind kind, std::uint32_t round, std::uint32_t attempt) {
  std::vector<GroupSum> all = sums(kind, round, attempt);
  const auto signed_commit = endorsement(total(kind, round, all));
  INFO(stage.log());
  REQUIRE(signed_commit.has_value());
  const CommitStatement expected = statement(kind, round, all);
  CHECK(signed_commit->statement == expected);
  SignedCommit commit = signed_by(expected, played());
  commit.signatures.push_back(signed_commit->signatures.at(0));
  std::ranges::sort(commit.signatures, {}, &CommitSignature::site);
  send(commit);
  if (kind == SumKind::kTrain) model = expected.model;
  if (kind == SumKind::kCensus && job_.training.loss.balanced) labels = labels_in(all);
  return all;
}

void GroupJob::begin() {
  agree();
  run(SumKind::kCensus, 0);
}

void GroupJob::check_over(SumKind kind, std::uint32_t round, const std::string& why) {
  INFO(stage.log());
  CHECK(stage.logged(why));
  CHECK(stage.logged("this site takes no further part in the job"));
  // In neither the next step nor another attempt does it take part.
  for (const std::uint32_t attempt : {8U, 9U}) {
    GroupAttempt more(*this, kind, round, attempt);
    CHECK_FALSE(more.offer());
    if (attempt == 8) stage.restart_client();
    if (attempt == 8) REQUIRE(stage.offer(id_, job_));
  }
}

GroupAttempt::GroupAttempt(GroupJob& job, SumKind kind, std::uint32_t round, std::uint32_t attempt)
    : job_(job),
      key_(job.key(kind, round, attempt)),
      order_(job.order(key_, job.own_group())),
      agreed_(job.agreed.clone().value()),
      group_(job.groups()[job.own_group()]) {
  job_.stage.expect_upload(key_, order_.layout.word_count() + kTagWords);
}

bool GroupAttempt::offer(const job::RoundOrder& to_north) {
  for (const std::string& site : group_) {
    if (site == kNorth || played_.contains(site)) continue;
    const Credentials& own = job_.stage.played(site);
    GroupSiteSetup setup;
    setup.context = attempt_context(order_, agreement_confirmation(agreed_, job_.digest()).value());
    setup.site = site;
    setup.certificate = own.certificate;
    setup.members = group_;
    setup.colluding = job::colluding_sites(job_.job());
    setup.number = ++job_.adverts[site];
    setup.seen = job_.seen[site];
    setup.seen.resize(group_.size() - 1);
    auto started = GroupSite::start(std::move(setup), job_.authenticator(), *own.signer, job_.stage.random());
    REQUIRE(started.has_value());
    adverts_[site] = started->advert();
    played_.emplace(site, std::move(*started));
  }
  const std::uint64_t bytes = key_.kind == SumKind::kCensus ? 0 : job_.stage.model_bytes();
  job_.stage.send(wire::SessionOffer{key_, job::encode(to_north), bytes});
  std::optional<wire::Masking> advert;
  const auto about = [&](const auto& message) { return message.key == key_; };
  const auto due = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!advert && std::chrono::steady_clock::now() < due) {
    advert = job_.stage.next<wire::Masking>(about, std::chrono::milliseconds(20));
    if (!advert && job_.stage.next<wire::SessionFailed>(about, std::chrono::milliseconds(0))) break;
  }
  if (!advert) return false;
  adverts_[kNorth] = decode_group_advert(advert->message).value();
  return true;
}

GroupAdvertList GroupAttempt::adverts() const {
  GroupAdvertList list;
  for (const auto& [site, advert] : adverts_) list.adverts.push_back(advert);
  return list;
}

void GroupAttempt::tell(const GroupAdvertList& list) { job_.stage.send(wire::Masking{key_, encode(list)}); }

void GroupAttempt::list() {
  for (auto& [site, played] : played_) {
    const auto taken = played.receive(adverts());
    INFO(site << ": " << (taken ? std::string() : taken.error().message));
    REQUIRE(taken.has_value());
  }
  tell(adverts());
}

std::optional<Words> GroupAttempt::upload() { return north_ = job_.stage.upload(key_); }

GroupSum GroupAttempt::sum() {
  if (!north_) upload();
  INFO(job_.stage.log());
  REQUIRE(north_.has_value());
  const std::size_t count = order_.layout.word_count();
  REQUIRE(north_->size() == count + kTagWords);
  GroupSum sum{order_.group,
               played_.begin()->second.cohort(),
               {north_->begin(), north_->begin() + static_cast<std::ptrdiff_t>(count)},
               tag_in(*north_)};
  const auto r = tag_key(agreed_, order_.kind, order_.round).value();
  const auto offset = tag_offset(agreed_, order_.kind, order_.round, order_.group, sum.cohort).value();
  for (auto& [site, played] : played_) {
    Words words = GroupJob::words_of(site, order_);
    const FieldElement value = accumulate_tag(r, words).value();
    job_.seen[site] = played.others();
    const std::vector<MaskTerm> masks = played.take_masks().value();
    sum.tag = field_add(sum.tag, masked_tag(offset, value, tag_mask(masks, count).value()).value());
    REQUIRE(add_masks(masks, 0, words));
    encoding::add_words(words, sum.words);
  }
  return sum;
}

Words GroupAttempt::hidden(const GroupJob& job, const job::RoundOrder& order, GroupSum sum) {
  for (const std::string& site : job.groups()[order.group]) {
    if (site == kNorth) continue;
    const Words words = GroupJob::words_of(site, order);
    for (std::size_t i = 0; i < words.size(); ++i) sum.words[i] -= words[i];
  }
  return std::move(sum.words);
}

void GroupAttempt::check_refused(const std::string& why) {
  const auto refused = job_.stage.refusal(key_);
  INFO(job_.stage.log());
  REQUIRE(refused.has_value());
  CHECK(refused->reason.empty());
  CHECK(job_.stage.logged(why));
  if (adverts_.contains(kNorth)) tell(adverts());
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK_FALSE(job_.stage.uploads().contains(testing::upload_name(kNorth, key_)));
}

}  // namespace consilium::rogue
