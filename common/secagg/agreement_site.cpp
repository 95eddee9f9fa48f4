#include "common/secagg/agreement_site.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "common/crypto/aead.h"
#include "common/crypto/x25519.h"
#include "common/secagg/agreement_state.h"
#include "common/secagg/agreement_transcript.h"

namespace consilium::secagg {
namespace {

constexpr crypto::AeadNonce kNonce{};  ///< may be zero, because every box has its own key

/// A state, and the message to send on entering it.
struct Step {
  AgreementState state;
  AgreementSiteMessage answer;
};

Result<void> check_identity(const AgreementSiteSetup& setup) {
  CONSILIUM_TRY(check_setup(setup.agreement));
  const auto has = [&setup](const auto& group) { return std::ranges::find(group, setup.site) != group.end(); };
  if (std::ranges::any_of(setup.agreement.groups, has)) return {};
  return fail(ErrorCode::kInvalidArgument, fmt::format("agreement: {} is in none of the job's groups", setup.site));
}

/// Returns this site's own number in the states in which others may complain about it, otherwise nullptr.
const crypto::SecretBytes* published_on_complaint(const AgreementState& state, Rank self) {
  if (const auto* sent = std::get_if<AgreementBoxesSent>(&state)) return &sent->number;
  if (const auto* complained = std::get_if<AgreementComplained>(&state)) return &complained->numbers[self];
  if (const auto* reached = std::get_if<AgreementReached>(&state)) return &reached->number;
  return nullptr;
}

}  // namespace

struct AgreementSite::Impl {
  AgreementSiteSetup setup;
  const Authenticator& authenticator;
  const pki::Signer& signer;
  crypto::RandomSource& random;
  AgreementRecord record;
  // Set when the list of adverts is accepted; all public.
  crypto::Digest sites{};  ///< ctxK
  Rank self = 0;
  std::vector<std::uint32_t> groups;

  /// Sets the members that follow from the list in the record.
  void enter(std::vector<std::uint32_t> present) {
    sites = sites_context(agreement_context(setup.agreement.job, setup.agreement.attempt), record.list);
    self = rank_of(record.list, setup.site).value();
    groups = std::move(present);
  }
  [[nodiscard]] std::size_t size() const { return record.list.adverts.size(); }
  [[nodiscard]] const AgreementAdvert& advert_of(Rank rank) const { return record.list.adverts[rank]; }

  Result<crypto::SecretBytes> key_with(const crypto::X25519KeyPair& box, Rank from, Rank to) const {
    const AgreementAdvert& other = advert_of(from == self ? to : from);
    const auto agreed = box.agree(other.box_key);
    if (!agreed) return fail(agreed.error().within("box key of " + other.site));
    return number_box_key(*agreed, sites, from, to);
  }

  Result<NumberBox> seal_for(Rank to, const AgreementBoxesSent& own, const crypto::Digest& commitment) const {
    CONSILIUM_ASSIGN(const crypto::SecretBytes key, key_with(own.box, self, to));
    CONSILIUM_ASSIGN(const std::vector<std::uint8_t> sealed,
                     crypto::seal(key, kNonce, number_box_header(sites, self, to), own.number.bytes()));
    NumberBox box;
    std::ranges::copy(sealed, box.sealed.begin());
    CONSILIUM_ASSIGN(box.signature, signer.sign(number_box_statement(sites, self, to, box.sealed, commitment)));
    return box;
  }

  Result<crypto::SecretBytes> open_from(Rank from, const crypto::X25519KeyPair& own,
                                        const DeliveredBox& delivered) const {
    CONSILIUM_ASSIGN(const crypto::SecretBytes key, key_with(own, from, self));
    return crypto::open(key, kNonce, number_box_header(sites, from, self), delivered.box.sealed);
  }

  Result<Step> on(AgreementAdvertised& now, const AgreementAdvertList& list) {
    CONSILIUM_ASSIGN(auto present, check_agreement_adverts(setup.agreement, record.advert, list, authenticator));
    record.list = list;
    enter(std::move(present));
    AgreementBoxesSent next{std::move(now.box), {}};
    CONSILIUM_ASSIGN(next.number, own_number(now.seed, sites));
    NumberBoxes answer;
    answer.commitment = number_commitment(sites, self, next.number.bytes());
    for (std::size_t i = 0; i + 1 < size(); ++i) {
      CONSILIUM_ASSIGN(NumberBox box, seal_for(other_rank(i, self), next, answer.commitment));
      answer.boxes.push_back(std::move(box));
    }
    return Step{std::move(next), std::move(answer)};
  }

  Result<Step> on(AgreementBoxesSent& now, const DeliveredBoxes& delivered) {
    CONSILIUM_TRY(check_delivered_boxes(delivered, sites, record.list, self, authenticator));
    AgreementComplained next;
    next.numbers.resize(size());
    next.commitments.resize(size());
    next.commitments[self] = number_commitment(sites, self, now.number.bytes());
    Complaints complaints;
    for (std::size_t i = 0; i < delivered.boxes.size(); ++i) {
      const Rank from = other_rank(i, self);
      next.commitments[from] = delivered.boxes[i].commitment;
      auto number = open_from(from, now.box, delivered.boxes[i]);
      if (number && !fits(*number, from, next.commitments[from]))
        number = fail(ErrorCode::kUnauthenticated,
                      "the number doesn't match its commitment");  // check: agreement-number-fits
      if (number) {
        next.numbers[from] = std::move(*number);
      } else {
        CONSILIUM_ASSIGN(Signature signature,
                         signer.sign(complaint_statement(sites, self, from, next.commitments[from])));
        complaints.about.push_back({from, std::move(signature)});
        next.asked.push_back(from);
      }
    }
    next.numbers[self] = std::move(now.number);
    if (next.asked.empty()) return reach(std::move(next));
    return Step{std::move(next), std::move(complaints)};
  }

  Result<Step> on(AgreementComplained& now, const Openings& openings) {
    CONSILIUM_TRY(check_openings(openings, now.asked, now.commitments, sites, record.list));
    for (const auto& [from, number] : openings.numbers) {
      CONSILIUM_ASSIGN(now.numbers[from], crypto::SecretBytes::copy_of(number));
    }
    return reach(std::move(now));
  }

  /// Refuses every other combination of state and message as out of order.
  template <class Now, class Message>
  Result<Step> on(Now&, const Message& message) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("unexpected {} while {}", secagg::name_of(AgreementCoordinatorMessage(message)),
                            secagg::name_of(record.state)));
  }

  [[nodiscard]] bool fits(const crypto::SecretBytes& number, Rank from, const crypto::Digest& commitment) const {
    return crypto::equal_in_constant_time(number_commitment(sites, from, number.bytes()), commitment);
  }

  Result<Step> reach(AgreementComplained numbers) const {
    AgreementReached next;
    CONSILIUM_ASSIGN(next.key, agreed_key(numbers.numbers, sites));
    next.number = std::move(numbers.numbers[self]);
    Agreed answer;
    CONSILIUM_ASSIGN(answer.confirmation, agreement_confirmation(next.key, setup.agreement.job));
    CONSILIUM_ASSIGN(answer.signature, signer.sign(agreed_statement(sites, self, answer.confirmation)));
    return Step{std::move(next), std::move(answer)};
  }

  /// Publishes this site's number. The answer is the same for every complainant at any time, and changes no state.
  Result<AgreementSiteMessage> publish(const Accusation& accusation) const {
    const crypto::SecretBytes* number = published_on_complaint(record.state, self);
    if (number == nullptr)
      return fail(ErrorCode::kFailedPrecondition,
                  fmt::format("unexpected accusation while {}", secagg::name_of(record.state)));
    const crypto::Digest commitment = number_commitment(sites, self, number->bytes());
    CONSILIUM_TRY(check_accusation(accusation, sites, record.list, self, commitment, authenticator));
    Opening opening;
    std::ranges::copy(number->bytes(), opening.number.begin());
    return AgreementSiteMessage(opening);
  }

  Result<AgreementSiteMessage> answer(const AgreementCoordinatorMessage& message) {
    if (const auto* accusation = std::get_if<Accusation>(&message)) return publish(*accusation);
    const crypto::Digest request = crypto::sha256(encode(message));
    if (record.answer && request == record.request) return *record.answer;
    CONSILIUM_ASSIGN(Step step,
                     std::visit([this](auto& now, const auto& body) { return on(now, body); }, record.state, message));
    record.state = std::move(step.state);
    record.request = request;
    record.answer = std::move(step.answer);
    return *record.answer;
  }
};

AgreementSite::AgreementSite(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AgreementSite::AgreementSite(AgreementSite&&) noexcept = default;
AgreementSite& AgreementSite::operator=(AgreementSite&&) noexcept = default;
AgreementSite::~AgreementSite() = default;

Result<AgreementSite> AgreementSite::start(AgreementSiteSetup setup, const Authenticator& authenticator,
                                           const pki::Signer& signer, crypto::RandomSource& random) {
  CONSILIUM_TRY(check_identity(setup));  // check: agreement-setup
  CONSILIUM_ASSIGN(crypto::X25519KeyPair box, crypto::X25519KeyPair::generate(random));
  CONSILIUM_ASSIGN(crypto::SecretBytes seed, crypto::SecretBytes::allocate(kSecretBytes));
  CONSILIUM_TRY(random.fill(seed.bytes()));
  AgreementAdvert advert{setup.site, setup.certificate, box.public_key(), {}};
  const crypto::Digest context = agreement_context(setup.agreement.job, setup.agreement.attempt);
  CONSILIUM_ASSIGN(advert.signature, signer.sign(advert_statement(context, advert)));
  AgreementRecord record{AgreementAdvertised{std::move(box), std::move(seed)}, std::move(advert), {}, {}, {}};
  return AgreementSite(
      std::unique_ptr<Impl>(new Impl{std::move(setup), authenticator, signer, random, std::move(record), {}, 0, {}}));
}

Result<AgreementSite> AgreementSite::restore(std::span<const std::byte> saved, const crypto::SecretBytes& sealing_key,
                                             AgreementSiteSetup setup, const Authenticator& authenticator,
                                             const pki::Signer& signer, crypto::RandomSource& random) {
  CONSILIUM_TRY(check_identity(setup));
  CONSILIUM_ASSIGN(AgreementRecord record, open_record(saved, sealing_key, setup_digest(setup.agreement, setup.site)));
  auto impl =
      std::unique_ptr<Impl>(new Impl{std::move(setup), authenticator, signer, random, std::move(record), {}, 0, {}});
  if (impl->size() > 0) {
    std::vector<std::string> names;
    for (const AgreementAdvert& advert : impl->record.list.adverts) names.push_back(advert.site);
    CONSILIUM_ASSIGN(auto present, whole_groups(impl->setup.agreement, names));
    impl->enter(std::move(present));
  }
  return AgreementSite(std::move(impl));
}

Result<std::vector<std::byte>> AgreementSite::sealed(const crypto::SecretBytes& sealing_key) const {
  const crypto::Digest setup = setup_digest(impl_->setup.agreement, impl_->setup.site);
  return seal_record(impl_->record, sealing_key, setup, impl_->random);
}

const AgreementAdvert& AgreementSite::advert() const { return impl_->record.advert; }

Result<AgreementSiteMessage> AgreementSite::receive(const AgreementCoordinatorMessage& message) {
  auto answer = impl_->answer(message);
  if (!answer) {
    impl_->record.state = AgreementLeft{answer.error().message};
    impl_->record.answer.reset();  // check: agreement-left-silent
  }
  return answer;
}

const crypto::SecretBytes* AgreementSite::key() const {
  const auto* reached = std::get_if<AgreementReached>(&impl_->record.state);
  return reached == nullptr ? nullptr : &reached->key;
}

std::optional<crypto::Digest> AgreementSite::confirmation() const {
  const auto* agreed = key() == nullptr ? nullptr : std::get_if<Agreed>(&*impl_->record.answer);
  if (agreed == nullptr) return std::nullopt;
  return agreed->confirmation;
}

const std::vector<std::uint32_t>& AgreementSite::groups() const { return impl_->groups; }

}  // namespace consilium::secagg
