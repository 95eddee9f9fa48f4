#include "common/secagg/group_site.h"

#include <spdlog/fmt/fmt.h>

#include <utility>
#include <variant>

#include "common/crypto/x25519.h"
#include "common/secagg/group_checks.h"
#include "common/secagg/group_transcript.h"

namespace consilium::secagg {
namespace {

// The states, each with the data that the site still needs in it.

/// The site has sent its public key and waits for the keys of the others.
struct Advertised {
  crypto::X25519KeyPair mask;
};
/// The keys of the masks have been derived; the secrets behind them are wiped.
struct Keyed {
  std::vector<MaskTerm> masks;
};
struct Taken {};
struct Left {};
using State = std::variant<Advertised, Keyed, Taken, Left>;

std::string_view name_of(const State& state) {
  constexpr std::string_view kNames[] = {"the key is advertised", "masks are agreed on", "masks are taken",
                                         "the attempt was abandoned"};
  return kNames[state.index()];
}

}  // namespace

struct GroupSite::Impl {
  GroupSiteSetup setup;
  const Authenticator& authenticator;
  State state;
  GroupAdvert advert;
  crypto::Digest advert_digest{};
  // Set when the list is accepted; all public.
  crypto::Digest cohort{};  ///< ctx2
  std::vector<Seen> claims;
  std::vector<Seen> others;

  Result<Keyed> agree(const crypto::X25519KeyPair& mask, const GroupAdvertList& list,
                      const crypto::Digest& context) const {
    Keyed next;
    for (const GroupAdvert& other : list.adverts) {
      if (other.site == setup.site) continue;
      const auto agreed = mask.agree(other.mask_key);
      if (!agreed) return fail(agreed.error().within("mask key of " + other.site));
      CONSILIUM_ASSIGN(crypto::SecretBytes key, pair_mask_key(*agreed, context, setup.site, other.site));
      next.masks.push_back({std::move(key), setup.site > other.site});
    }
    return next;
  }

  Result<void> receive(const GroupAdvertList& list) {
    auto* advertised = std::get_if<Advertised>(&state);
    if (advertised == nullptr)
      return fail(ErrorCode::kFailedPrecondition,
                  fmt::format("unexpected {} while {}", secagg::name_of(list), name_of(state)));
    CONSILIUM_TRY(check_group_adverts(setup, advert, list, authenticator));
    const crypto::Digest context = cohort_context(setup.context, list);
    CONSILIUM_ASSIGN(Keyed next, agree(advertised->mask, list, context));
    cohort = context;
    note_ledgers(list);
    state = std::move(next);
    return {};
  }

  /// Extracts the others' claims about this site, and the others' adverts that this site's ledger will record.
  void note_ledgers(const GroupAdvertList& list) {
    std::size_t before = 0;  // number of members whose names come before this site's
    while (setup.members[before] != setup.site) ++before;
    for (std::size_t rank = 0; rank < list.adverts.size(); ++rank) {
      const GroupAdvert& other = list.adverts[rank];
      if (rank == before) continue;
      // The other member leaves itself out, so entries after its own rank are shifted down by one.
      claims.push_back(other.seen.at(rank < before ? before - 1 : before));
      others.push_back({other.number, secagg::advert_digest(setup.context, other)});
    }
  }
};

GroupSite::GroupSite(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GroupSite::GroupSite(GroupSite&&) noexcept = default;
GroupSite& GroupSite::operator=(GroupSite&&) noexcept = default;
GroupSite::~GroupSite() = default;

Result<GroupSite> GroupSite::start(GroupSiteSetup setup, const Authenticator& authenticator, const pki::Signer& signer,
                                   crypto::RandomSource& random) {
  CONSILIUM_TRY(check_group_setup(setup));
  CONSILIUM_ASSIGN(crypto::X25519KeyPair mask, crypto::X25519KeyPair::generate(random));
  GroupAdvert advert{setup.site, setup.certificate, mask.public_key(), setup.number, setup.seen, {}};
  CONSILIUM_ASSIGN(advert.signature, signer.sign(advert_statement(setup.context, advert)));
  const crypto::Digest digest = secagg::advert_digest(setup.context, advert);
  State state = Advertised{std::move(mask)};
  return GroupSite(std::unique_ptr<Impl>(
      new Impl{std::move(setup), authenticator, std::move(state), std::move(advert), digest, {}, {}, {}}));
}

const GroupAdvert& GroupSite::advert() const { return impl_->advert; }
const crypto::Digest& GroupSite::advert_digest() const { return impl_->advert_digest; }

Result<void> GroupSite::receive(const GroupAdvertList& list) {
  auto received = impl_->receive(list);
  if (!received) impl_->state = Left{};
  return received;
}

bool GroupSite::keyed() const { return std::holds_alternative<Keyed>(impl_->state); }
const crypto::Digest& GroupSite::cohort() const { return impl_->cohort; }
std::vector<Seen> GroupSite::claims() const { return impl_->claims; }
std::vector<Seen> GroupSite::others() const { return impl_->others; }

Result<std::vector<MaskTerm>> GroupSite::take_masks() {
  auto* keyed = std::get_if<Keyed>(&impl_->state);
  if (keyed == nullptr)
    return fail(
        ErrorCode::kFailedPrecondition,
        fmt::format("there are no masks to take, because masks hide only one vector, once: {}", name_of(impl_->state)));
  std::vector<MaskTerm> masks = std::move(keyed->masks);
  impl_->state = Taken{};
  return masks;
}

}  // namespace consilium::secagg
