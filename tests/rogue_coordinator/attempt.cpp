#include "tests/rogue_coordinator/attempt.h"

#include <algorithm>

#include "common/encoding/fixed_point.h"
#include "common/job/cohort_rules.h"
#include "common/secagg/coordinator_protocol.h"
#include "common/secagg/transcript.h"
#include "tests/catch.h"

namespace consilium::rogue {

using namespace secagg;

namespace {

job::RoundOrder order_of(const Session& session) {
  return job::expected_order(session.job, session.key, session.normaliser, session.model).value();
}

Words some_words(const std::string& site, std::size_t count) {
  Words words(count);
  for (std::size_t i = 0; i < count; ++i) {
    words[i] = static_cast<std::uint32_t>(i * 7 + static_cast<unsigned char>(site[0]));
  }
  return words;
}

}  // namespace

Attempt::Attempt(Stage& stage, Session session)
    : stage_(stage),
      session_(std::move(session)),
      order_(order_of(session_)),
      authenticator_(stage.trust(), session_.job.federation.roster) {
  stage_.expect_upload(session_.key, order_.layout.word_count());
}

void Attempt::start_played() {
  for (const std::string& site : session_.cohort) {
    if (site == kNorth || silent_.contains(site)) continue;
    const Credentials& credentials = stage_.played(site);
    SiteSetup setup{attempt_context(order_),
                    site,
                    credentials.certificate,
                    session_.cohort,
                    job::colluding_sites(session_.job),
                    0,
                    std::nullopt};
    if (!session_.exactly.empty()) setup.exactly = session_.exactly;
    auto started = SiteProtocol::start(std::move(setup), authenticator_, *credentials.signer, stage_.random());
    REQUIRE(started.has_value());
    adverts_[site] = started->advert();
    played_.emplace(site, std::move(*started));
  }
}

template <class Message>
Message Attempt::answer_of_north() {
  const auto answer = stage_.next_answer(session_.key);
  INFO(stage_.log());
  REQUIRE(answer.has_value());
  REQUIRE(std::holds_alternative<Message>(*answer));
  return std::get<Message>(*answer);
}

template <class Message>
std::optional<Message> Attempt::answer_of(const std::string& site, const CoordinatorMessage& asked) {
  if (silent_.contains(site)) return std::nullopt;
  auto answer = played_.at(site).receive(asked);
  INFO(site << ": " << (answer ? std::string() : answer.error().message));
  REQUIRE(answer.has_value());
  return std::get<Message>(**answer);
}

bool Attempt::offer(const job::RoundOrder& to_north) {
  start_played();
  const std::uint64_t bytes = session_.key.kind == job::SumKind::kCensus ? 0 : stage_.model_bytes();
  stage_.send(wire::SessionOffer{session_.key, job::encode(to_north), bytes});
  const auto answer = stage_.next_answer(session_.key);
  if (!answer) return false;
  adverts_[kNorth] = std::get<Advert>(*answer);
  return true;
}

void Attempt::offer() {
  const bool advertised = offer(order_);
  INFO(stage_.log());
  REQUIRE(advertised);
}

void Attempt::share() {
  const AdvertList list = adverts();
  tell(list);
  for (const auto& [site, advert] : adverts_) {
    if (site == kNorth) continue;
    if (auto shares = answer_of<Shares>(site, list)) shares_[rank_of(site)] = std::move(*shares);
  }
  shares_[rank_of(kNorth)] = answer_of_north<Shares>();
}

void Attempt::hand_out() {
  tell(boxes());
  for (const Rank rank : sharers()) {
    const std::string site = adverts().adverts[rank].site;
    if (site == kNorth || silent_.contains(site)) continue;
    REQUIRE(played_.at(site).receive(boxes(site)).has_value());
    Words words = plain_[site] = some_words(site, order_.layout.word_count());
    REQUIRE(add_masks(*played_.at(site).take_masks(), 0, words));
    masked_[site] = std::move(words);
  }
  const auto uploaded = stage_.upload(session_.key);
  INFO(stage_.log());
  REQUIRE(uploaded.has_value());
  masked_[kNorth] = *uploaded;
}

void Attempt::confirm() {
  const Survivors list = survivors();
  tell(list);
  for (const auto& [site, words] : masked_) {
    if (site == kNorth) continue;
    if (auto signature = answer_of<Confirmation>(site, list)) confirmations_[site] = *signature;
  }
  confirmations_[kNorth] = answer_of_north<Confirmation>();
}

void Attempt::unmask() {
  const UnmaskRequest request = unmask_request();
  tell(request);
  for (const auto& [site, confirmation] : confirmations_) {
    if (site == kNorth) continue;
    if (auto reveal = answer_of<Reveal>(site, request)) reveals_[site] = *reveal;
  }
  reveals_[kNorth] = answer_of_north<Reveal>();
}

Words Attempt::sum() const {
  CoordinatorProtocol coordinator({attempt_context(order_), session_.cohort, job::colluding_sites(session_.job)},
                                  authenticator_);
  const auto take = [&](Phase phase, const auto& answers, const auto& name) {
    for (const auto& [who, answer] : answers) {
      const Output output = coordinator.receive(name(who), answer);
      for (const Output::Lost& lost : output.lost) FAIL(lost.site << ": " << lost.error.message);
    }
    if (coordinator.phase() == phase) coordinator.close_phase();
  };
  const auto itself = [](const std::string& site) { return site; };
  take(Phase::kAdvertising, adverts_, itself);
  take(Phase::kSharing, shares_, [&](Rank rank) { return adverts().adverts[rank].site; });
  Words sum(order_.layout.word_count());
  for (const auto& [site, words] : masked_) {
    coordinator.uploaded(site);
    encoding::add_words(words, sum);
  }
  coordinator.close_uploads();
  take(Phase::kConfirming, confirmations_, itself);
  take(Phase::kUnmasking, reveals_, itself);
  INFO(coordinator.failure().message);
  REQUIRE(coordinator.phase() == Phase::kUnmasked);
  REQUIRE(add_masks(coordinator.take_masks(), 0, sum));
  return sum;
}

void Attempt::tell(const CoordinatorMessage& message) { tell_bytes(encode(message)); }

void Attempt::tell_bytes(std::vector<std::byte> message) {
  stage_.send(wire::Masking{session_.key, std::move(message)});
}

void Attempt::check_refused(const std::string& why) {
  const auto refused = stage_.refusal(session_.key);
  INFO(stage_.log());
  REQUIRE(refused.has_value());
  CHECK(refused->reason.empty());
  CHECK(stage_.logged(why));
  while (stage_.next_answer(session_.key, std::chrono::milliseconds(0))) FAIL("north answered before it refused");
  // North has left the attempt, so no further request gets an answer.
  if (adverts_.contains(kNorth)) {
    tell(adverts());
    if (shares_.contains(rank_of(kNorth))) tell(boxes());
    if (masked_.contains(kNorth)) tell(survivors());
  }
  const auto more = stage_.next_answer(session_.key, std::chrono::milliseconds(200));
  CHECK_FALSE(more.has_value());
}

AdvertList Attempt::adverts() const {
  AdvertList list;
  for (const auto& [site, advert] : adverts_) list.adverts.push_back(advert);
  return list;
}

Rank Attempt::rank_of(const std::string& site) const {
  return static_cast<Rank>(std::distance(adverts_.begin(), adverts_.find(site)));
}

std::vector<Rank> Attempt::sharers() const {
  std::vector<Rank> ranks;
  for (const auto& [rank, shares] : shares_) ranks.push_back(rank);
  return ranks;
}

Boxes Attempt::boxes(const std::string& site) const {
  const Rank to = rank_of(site);
  Boxes boxes;
  for (const auto& [from, shares] : shares_) {
    if (from != to) boxes.boxes.push_back({from, shares.boxes[to < from ? to : to - 1U]});
  }
  return boxes;
}

Survivors Attempt::survivors(const std::set<std::string>& without) const {
  Survivors list;
  for (const auto& [site, words] : masked_) {
    if (!without.contains(site)) list.ranks.push_back(rank_of(site));
  }
  return list;
}

UnmaskRequest Attempt::unmask_request() const {
  UnmaskRequest request;
  for (const auto& [site, confirmation] : confirmations_) {
    request.confirmations.push_back({rank_of(site), confirmation.signature});
  }
  return request;
}

Advert Attempt::advert_by(const std::string& site, const Credentials& by, Advert keys) const {
  keys.site = site;
  keys.certificate = by.certificate;
  keys.signature = by.signer->sign(advert_statement(attempt_context(order_), keys)).value();
  return keys;
}

bool looks_plain(const Words& words) {
  const auto small = std::ranges::count_if(words, [](std::uint32_t word) {
    return word < (1U << 24) || word > ~(1U << 24);  // a masked word is this small once in 128
  });
  return static_cast<std::size_t>(small) * 4 > words.size();
}

void check_discreet(Stage& stage, std::size_t revealed) {
  for (const wire::SiteMessage& message : stage.said()) {
    if (const auto* failed = std::get_if<wire::SessionFailed>(&message)) CHECK(failed->reason.empty());
  }
  for (const auto& [round, signatures] : sent<Confirmation>(stage)) CHECK(signatures.size() == 1);
  const Sent reveals = sent<Reveal>(stage);
  for (const auto& [round, shares] : reveals) CHECK(shares.size() == 1);
  CHECK(reveals.size() == revealed);
  for (const auto& [session, words] : stage.uploads()) {
    INFO(session);
    CHECK_FALSE(looks_plain(words));
  }
}

}  // namespace consilium::rogue
