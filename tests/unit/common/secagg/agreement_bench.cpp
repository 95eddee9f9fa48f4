#include "tests/unit/common/secagg/agreement_bench.h"

#include <algorithm>
#include <stdexcept>

#include "common/crypto/aead.h"
#include "common/secagg/agreement_transcript.h"

namespace consilium::secagg {
namespace {

crypto::SecretBytes secret_of(const PublishedNumber& number) { return crypto::SecretBytes::copy_of(number).value(); }

template <class Message>
Message through_bytes(const Message& message, Result<Message> (*decode)(std::span<const std::byte>)) {
  auto decoded = decode(encode(message));
  if (!decoded) throw std::logic_error(decoded.error().message);
  if (!(*decoded == message)) throw std::logic_error("a message changed on its way through its bytes");
  return std::move(*decoded);
}

}  // namespace

HandmadeSite::HandmadeSite(const Consortium& consortium, std::size_t site, const AgreementSetup& agreement,
                           std::uint64_t seed)
    : consortium_(consortium), site_(site), agreement_(agreement), box_([seed] {
        SeededRandom random(seed);
        return crypto::X25519KeyPair::generate(random).value();
      }()) {
  SeededRandom random(seed + 1);
  need(random.fill(number_));
}

AgreementAdvert HandmadeSite::advert() const {
  AgreementAdvert advert{Consortium::name(site_), consortium_.certificate(site_), box_.public_key(), {}};
  const auto context = agreement_context(agreement_.job, agreement_.attempt);
  advert.signature = consortium_.signer(site_).sign(advert_statement(context, advert)).value();
  return advert;
}

NumberBoxes HandmadeSite::boxes(const std::optional<PublishedNumber>& committed) const {
  NumberBoxes boxes;
  boxes.commitment = number_commitment(sites_, self_, committed.value_or(number_));
  for (std::size_t i = 0; i + 1 < list_.adverts.size(); ++i) {
    const Rank to = other_rank(i, self_);
    const auto agreed = box_.agree(list_.adverts[to].box_key).value();
    const auto key = number_box_key(agreed, sites_, self_, to).value();
    const PublishedNumber sealed = seals ? seals(to, number_) : number_;
    const auto bytes = crypto::seal(key, {}, number_box_header(sites_, self_, to), sealed).value();
    NumberBox& box = boxes.boxes.emplace_back();
    std::ranges::copy(bytes, box.sealed.begin());
    const auto statement = number_box_statement(sites_, self_, to, box.sealed, boxes.commitment);
    box.signature = consortium_.signer(site_).sign(statement).value();
  }
  return boxes;
}

Signed HandmadeSite::complaint(Rank about, const crypto::Digest& commitment) const {
  return {about, consortium_.signer(site_).sign(complaint_statement(sites_, self_, about, commitment)).value()};
}

std::optional<AgreementSiteMessage> HandmadeSite::receive(const AgreementCoordinatorMessage& message) {
  if (const auto* list = std::get_if<AgreementAdvertList>(&message)) {
    list_ = *list;
    sites_ = sites_context(agreement_context(agreement_.job, agreement_.attempt), list_);
    self_ = rank_of(list_, Consortium::name(site_)).value();
    numbers_.assign(list_.adverts.size(), {});
    numbers_[self_] = number_;
    commitments_.resize(list_.adverts.size());
    if (sends_boxes) return boxes();
  } else if (const auto* delivered = std::get_if<DeliveredBoxes>(&message)) {
    Complaints complaints;
    for (std::size_t i = 0; i < delivered->boxes.size(); ++i) {
      const Rank from = other_rank(i, self_);
      commitments_[from] = delivered->boxes[i].commitment;
      const auto agreed = box_.agree(list_.adverts[from].box_key).value();
      const auto key = number_box_key(agreed, sites_, from, self_).value();
      const auto number = crypto::open(key, {}, number_box_header(sites_, from, self_), delivered->boxes[i].box.sealed);
      if (number) std::ranges::copy(number->bytes(), numbers_[from].begin());
      if (complains_of.contains(from)) complaints.about.push_back(complaint(from, commitments_[from]));
    }
    return complaints.about.empty() ? agree() : AgreementSiteMessage(complaints);
  } else if (const auto* openings = std::get_if<Openings>(&message)) {
    for (const auto& [from, number] : openings->numbers) numbers_[from] = number;
    return agree();
  } else if (answers_accusations) {
    return Opening{opens.value_or(number_)};
  }
  return std::nullopt;
}

AgreementSiteMessage HandmadeSite::agree() {
  std::vector<crypto::SecretBytes> numbers;
  for (const PublishedNumber& number : numbers_) numbers.push_back(secret_of(number));
  const auto key = agreed_key(numbers, sites_).value();
  Agreed agreed{confirms.value_or(agreement_confirmation(key, agreement_.job).value()), {}};
  agreed.signature = consortium_.signer(site_).sign(agreed_statement(sites_, self_, agreed.confirmation)).value();
  return agreed;
}

AgreementBench::AgreementBench(const Consortium& consortium, AgreementBenchSetup setup)
    : consortium_(consortium), setup_(std::move(setup)) {
  SeededRandom random(99);
  sealing_key_ = crypto::SecretBytes::allocate(kSecretBytes).value();
  need(random.fill(sealing_key_.bytes()));
  std::size_t sites = 0;
  for (const std::size_t members : setup_.groups) sites += members;
  for (std::size_t i = 0; i < sites; ++i) {
    randoms_.emplace_back(1000 * setup_.seed + i);
    sites_.push_back(
        AgreementSite::start(setup_of(i), consortium.authenticator(), consortium.signer(i), randoms_[i]).value());
  }
  coordinator_ = AgreementCoordinator::start(agreement(), consortium.authenticator()).value();
}

AgreementSetup AgreementBench::agreement() const {
  AgreementSetup agreement{setup_.job, setup_.attempt, {}, setup_.colluding};
  std::size_t next = 0;
  for (const std::size_t members : setup_.groups) {
    auto& group = agreement.groups.emplace_back();
    for (std::size_t i = 0; i < members; ++i) group.push_back(Consortium::name(next++));
  }
  return agreement;
}

AgreementSiteSetup AgreementBench::setup_of(std::size_t site) const {
  AgreementSiteSetup setup{agreement(), Consortium::name(site), consortium_.certificate(site)};
  if (setup_.adjust) setup_.adjust(site, setup);
  return setup;
}

HandmadeSite& AgreementBench::replace(std::size_t site) {
  return handmade_.try_emplace(site, consortium_, site, agreement(), 5000 + site).first->second;
}

void AgreementBench::run(const std::function<bool(const AgreementCoordinatorMessage&)>& until) {
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    const auto handmade = handmade_.find(i);
    if (!absent.contains(i)) send(i, handmade == handmade_.end() ? sites_[i].advert() : handmade->second.advert());
  }
  follow({}, until);
}

void AgreementBench::follow(AgreementOutput output,
                            const std::function<bool(const AgreementCoordinatorMessage&)>& until) {
  for (auto& [site, message] : output.messages) {
    queue_.emplace_back(std::stoul(site.substr(site.find('-') + 1)), std::move(message));
  }
  while (!queue_.empty() && !(until && until(queue_.front().second))) {
    const auto [site, message] = queue_.front();
    queue_.pop_front();
    deliver(site, message);
  }
}

void AgreementBench::send(std::size_t site, const AgreementSiteMessage& message) {
  said_.emplace_back(site, through_bytes(message, decode_agreement_site_message));
  auto output = coordinator_->receive(Consortium::name(site), said_.back().second);
  for (auto& [to, answer] : output.messages) {
    queue_.emplace_back(std::stoul(to.substr(to.find('-') + 1)), std::move(answer));
  }
}

void AgreementBench::deliver(std::size_t site, const AgreementCoordinatorMessage& message) {
  std::optional<AgreementCoordinatorMessage> arrives = message;
  if (on_the_way) arrives = on_the_way(site, message);
  if (!arrives) return;
  arrives = through_bytes(*arrives, decode_agreement_coordinator_message);
  if (const auto handmade = handmade_.find(site); handmade != handmade_.end()) {
    if (const auto answer = handmade->second.receive(*arrives)) send(site, *answer);
    return;
  }
  const auto answer = sites_[site].receive(*arrives);
  if (answer) {
    send(site, *answer);
  } else {
    refusals_.emplace(site, answer.error());
  }
}

std::set<std::size_t> AgreementBench::published() const {
  std::set<std::size_t> sites;
  for (const auto& [site, message] : said_) {
    if (std::holds_alternative<Opening>(message)) sites.insert(site);
  }
  return sites;
}

void AgreementBench::restart(std::size_t site) {
  const auto saved = sites_[site].sealed(sealing_key_).value();
  sites_[site] = AgreementSite::restore(saved, sealing_key_, setup_of(site), consortium_.authenticator(),
                                        consortium_.signer(site), randoms_[site])
                     .value();
}

std::vector<std::uint8_t> bytes_of(const crypto::SecretBytes& secret) {
  return {secret.bytes().begin(), secret.bytes().end()};
}

}  // namespace consilium::secagg
