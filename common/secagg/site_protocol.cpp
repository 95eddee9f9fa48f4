#include "common/secagg/site_protocol.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "common/crypto/aead.h"
#include "common/crypto/x25519.h"
#include "common/job/cohort_rules.h"
#include "common/secagg/shamir.h"
#include "common/secagg/site_checks.h"
#include "common/secagg/transcript.h"

namespace consilium::secagg {
namespace {

constexpr std::array<std::uint8_t, 12> kNonce{};  ///< may be zero, because every box has its own key

/// The shares of one site that this site holds.
struct HeldShares {
  crypto::SecretBytes seed, mask_key;
};

// The states, each with the data that the site still needs in it.

/// The site has sent both public keys.
struct Advertised {
  crypto::X25519KeyPair channel, mask;
};
/// The site has sent its shares and waits for the shares of the others.
struct Shared {
  crypto::X25519KeyPair channel, mask;
  crypto::SecretBytes seed;
  HeldShares own;
};
/// The keys of the masks have been derived; the secrets behind them are wiped.
struct Keyed {
  std::vector<MaskTerm> masks;  ///< empty once taken
  bool taken = false;
  std::vector<Rank> sharers;     ///< U2
  std::vector<HeldShares> held;  ///< in the order of U2
};
struct Confirmed {
  std::vector<Rank> sharers;
  std::vector<HeldShares> held;
  std::vector<Rank> survivors;  ///< U3
};
struct Revealed {};
struct Left {
  std::string why;
};
using State = std::variant<Advertised, Shared, Keyed, Confirmed, Revealed, Left>;

std::string_view name_of(const State& state) {
  constexpr std::string_view kNames[] = {"keys are advertised",     "shares are sent",     "masks are agreed on",
                                         "survivors are confirmed", "shares are revealed", "the attempt was abandoned"};
  return kNames[state.index()];
}

/// A state, and the message to send on entering it.
struct Step {
  State state;
  std::optional<SiteMessage> answer;
};

Result<SealedShares> seal_for(const crypto::X25519KeyPair& channel, const Advert& holder, const crypto::Digest& cohort,
                              Rank from, Rank to, const crypto::SecretBytes& seed,
                              const crypto::SecretBytes& mask_key) {
  CONSILIUM_ASSIGN(const crypto::SecretBytes agreed, channel.agree(holder.channel_key));
  CONSILIUM_ASSIGN(const crypto::SecretBytes key, box_key(agreed, cohort, from, to));
  CONSILIUM_ASSIGN(crypto::SecretBytes plain, crypto::SecretBytes::allocate(2 * kSecretBytes));
  std::ranges::copy(seed.bytes(), plain.bytes().begin());
  std::ranges::copy(mask_key.bytes(), plain.bytes().begin() + kSecretBytes);
  CONSILIUM_ASSIGN(const std::vector<std::uint8_t> sealed,
                   crypto::seal(key, kNonce, box_header(cohort, from, to), plain.bytes()));
  SealedShares box{};
  std::ranges::copy(sealed, box.begin());
  return box;
}

Result<HeldShares> open_from(const crypto::X25519KeyPair& channel, const Advert& sender, const crypto::Digest& cohort,
                             const Box& box, Rank to) {
  CONSILIUM_ASSIGN(const crypto::SecretBytes agreed, channel.agree(sender.channel_key));
  CONSILIUM_ASSIGN(const crypto::SecretBytes key, box_key(agreed, cohort, box.from, to));
  CONSILIUM_ASSIGN(const crypto::SecretBytes plain,
                   crypto::open(key, kNonce, box_header(cohort, box.from, to), box.sealed));
  HeldShares held;
  CONSILIUM_ASSIGN(held.seed, crypto::SecretBytes::copy_of(plain.bytes().first(kSecretBytes)));
  CONSILIUM_ASSIGN(held.mask_key, crypto::SecretBytes::copy_of(plain.bytes().subspan(kSecretBytes)));
  return held;
}

}  // namespace

struct SiteProtocol::Impl {
  SiteSetup setup;
  const Authenticator& authenticator;
  const pki::Signer& signer;
  crypto::RandomSource& random;
  State state;
  Advert advert;
  // Set in step 2; all public.
  AdvertList adverts;
  crypto::Digest cohort{};  ///< ctx2
  Rank self = 0;
  std::size_t needed = 0;  ///< t

  Result<Step> on(Advertised& now, const AdvertList& list) {
    CONSILIUM_TRY(check_adverts(setup, advert, list, authenticator));
    adverts = list;
    cohort = cohort_context(setup.context, adverts);
    self = static_cast<Rank>(std::ranges::find(adverts.adverts, setup.site, &Advert::site) - adverts.adverts.begin());
    const std::size_t sites = adverts.adverts.size();
    needed = job::threshold(static_cast<std::uint32_t>(sites), setup.colluding);

    Shared next{std::move(now.channel), std::move(now.mask), {}, {}};
    CONSILIUM_ASSIGN(next.seed, crypto::SecretBytes::allocate(kSecretBytes));
    CONSILIUM_TRY(random.fill(next.seed.bytes()));
    const auto split_up = [&](const crypto::SecretBytes& secret) {
      return split(secret, static_cast<unsigned>(needed), static_cast<unsigned>(sites), random);
    };
    CONSILIUM_ASSIGN(std::vector<crypto::SecretBytes> seed_shares, split_up(next.seed));
    CONSILIUM_ASSIGN(std::vector<crypto::SecretBytes> key_shares, split_up(next.mask.private_key()));

    Shares answer;
    answer.seed = seed_commitment(cohort, self, next.seed.bytes());
    for (std::size_t i = 0; i < sites; ++i) {
      const auto to = static_cast<Rank>(i);
      answer.commitments.push_back({share_commitment(cohort, ShareOf::kSeed, self, to, seed_shares[i].bytes()),
                                    share_commitment(cohort, ShareOf::kMaskKey, self, to, key_shares[i].bytes())});
      if (to == self) continue;
      const Advert& holder = adverts.adverts[i];
      const auto box = seal_for(next.channel, holder, cohort, self, to, seed_shares[i], key_shares[i]);
      if (!box) return fail(box.error().within(fmt::format("channel key of {}", holder.site)));
      answer.boxes.push_back(*box);
    }
    next.own = {std::move(seed_shares[self]), std::move(key_shares[self])};
    return Step{std::move(next), SiteMessage(std::move(answer))};
  }

  Result<Step> on(Shared& now, const Boxes& boxes) {
    CONSILIUM_TRY(check_boxes(boxes, adverts.adverts.size(), self, needed));
    Keyed next;
    const auto keep = [&next](Rank from, HeldShares held) {
      next.sharers.push_back(from);
      next.held.push_back(std::move(held));
    };
    bool own_kept = false;
    for (const Box& box : boxes.boxes) {
      if (!own_kept && box.from > self) {
        keep(self, std::move(now.own));
        own_kept = true;
      }
      const Advert& sender = adverts.adverts[box.from];
      auto held = open_from(now.channel, sender, cohort, box, self);
      if (!held) return fail(held.error().within(fmt::format("box of {}", sender.site)));
      keep(box.from, std::move(*held));
      const auto agreed = now.mask.agree(sender.mask_key);
      if (!agreed) return fail(agreed.error().within(fmt::format("mask key of {}", sender.site)));
      CONSILIUM_ASSIGN(crypto::SecretBytes key, pair_mask_key(*agreed, cohort, self, box.from));
      next.masks.push_back({std::move(key), self > box.from});
    }
    if (!own_kept) keep(self, std::move(now.own));
    CONSILIUM_ASSIGN(crypto::SecretBytes own_mask, self_mask_key(now.seed, cohort, self));
    next.masks.push_back({std::move(own_mask), false});
    return Step{std::move(next), std::nullopt};
  }

  Result<Step> on(Keyed& now, const Survivors& survivors) {
    if (!now.taken)
      return fail(ErrorCode::kFailedPrecondition,
                  "survivors: this site has sent no vector yet");  // check: vector-sent
    CONSILIUM_TRY(check_survivors(setup, adverts, survivors, now.sharers, self, needed));
    CONSILIUM_ASSIGN(Signature signature, signer.sign(confirmation_statement(cohort, now.sharers, survivors.ranks)));
    Confirmed next{std::move(now.sharers), std::move(now.held), survivors.ranks};
    return Step{std::move(next), SiteMessage(Confirmation{std::move(signature)})};
  }

  Result<Step> on(Confirmed& now, const UnmaskRequest& request) {
    const auto statement = confirmation_statement(cohort, now.sharers, now.survivors);
    CONSILIUM_TRY(check_confirmations(request, adverts, now.survivors, needed, statement, authenticator));
    Reveal answer;
    for (std::size_t i = 0; i < now.sharers.size(); ++i) {
      // Reveals one of the two shares for each site, never both: with both, the coordinator could read that site's
      // vector.
      const bool survived = std::ranges::binary_search(now.survivors, now.sharers[i]);
      const crypto::SecretBytes& share = survived ? now.held[i].seed : now.held[i].mask_key;
      std::ranges::copy(share.bytes(), answer.shares.emplace_back().begin());
    }
    return Step{Revealed{}, SiteMessage(std::move(answer))};
  }

  /// Refuses every other combination of state and message as out of order.
  template <class Now, class Message>
  Result<Step> on(Now&, const Message& message) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("unexpected {} while {}", secagg::name_of(CoordinatorMessage(message)), name_of(state)));
  }
};

SiteProtocol::SiteProtocol(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SiteProtocol::SiteProtocol(SiteProtocol&&) noexcept = default;
SiteProtocol& SiteProtocol::operator=(SiteProtocol&&) noexcept = default;
SiteProtocol::~SiteProtocol() = default;

Result<SiteProtocol> SiteProtocol::start(SiteSetup setup, const Authenticator& authenticator, const pki::Signer& signer,
                                         crypto::RandomSource& random) {
  if (setup.colluding == 0)
    return fail(ErrorCode::kInvalidArgument,
                "colluding sites: expected 1 or more; 0 would admit a cohort of one site");  // check: colluding
  CONSILIUM_ASSIGN(crypto::X25519KeyPair channel, crypto::X25519KeyPair::generate(random));
  CONSILIUM_ASSIGN(crypto::X25519KeyPair mask, crypto::X25519KeyPair::generate(random));
  Advert advert{setup.site, setup.certificate, channel.public_key(), mask.public_key(), {}};
  CONSILIUM_ASSIGN(advert.signature, signer.sign(advert_statement(setup.context, advert)));
  State state = Advertised{std::move(channel), std::move(mask)};
  return SiteProtocol(std::unique_ptr<Impl>(
      new Impl{std::move(setup), authenticator, signer, random, std::move(state), std::move(advert), {}, {}, 0, 0}));
}

const Advert& SiteProtocol::advert() const { return impl_->advert; }

Result<std::optional<SiteMessage>> SiteProtocol::receive(const CoordinatorMessage& message) {
  auto step = std::visit([this](auto& now, const auto& body) { return impl_->on(now, body); }, impl_->state, message);
  if (!step) {
    impl_->state = Left{step.error().message};
    return fail(step.error());
  }
  impl_->state = std::move(step->state);
  return std::move(step->answer);
}

bool SiteProtocol::keyed() const {
  const auto* keyed = std::get_if<Keyed>(&impl_->state);
  return keyed != nullptr && !keyed->taken;
}

Result<std::vector<MaskTerm>> SiteProtocol::take_masks() {
  auto* keyed = std::get_if<Keyed>(&impl_->state);
  if (keyed == nullptr || std::exchange(keyed->taken, true))
    return fail(ErrorCode::kFailedPrecondition, "there are no masks to take, because masks hide only one vector, once");
  return std::move(keyed->masks);
}

std::vector<std::string> SiteProtocol::names_of(const Survivors& survivors) const {
  std::vector<std::string> names;
  for (const Rank rank : survivors.ranks) {
    if (rank < impl_->adverts.adverts.size()) names.push_back(impl_->adverts.adverts[rank].site);
  }
  return names;
}

}  // namespace consilium::secagg
