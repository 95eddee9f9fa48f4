#include "tests/unit/common/secagg/lying_site.h"

#include <algorithm>

#include "common/crypto/aead.h"
#include "common/secagg/shamir.h"
#include "common/secagg/transcript.h"

namespace consilium::secagg {

crypto::SecretBytes draw_secret(crypto::RandomSource& random) {
  crypto::SecretBytes secret = crypto::SecretBytes::allocate(kSecretBytes).value();
  need(random.fill(secret.bytes()));
  return secret;
}

LyingSite::LyingSite(const Consortium& consortium, std::size_t site, crypto::RandomSource& random)
    : consortium_(consortium),
      site_(site),
      random_(random),
      channel_(crypto::X25519KeyPair::generate(random).value()),
      mask_(crypto::X25519KeyPair::generate(random).value()) {}

Advert LyingSite::advert(const crypto::Digest& context) const { return advert(context, mask_.public_key()); }

Advert LyingSite::advert(const crypto::Digest& context, const crypto::X25519PublicKey& mask_key) const {
  Advert advert{Consortium::name(site_), consortium_.certificate(site_), channel_.public_key(), mask_key, {}};
  advert.signature = consortium_.signer(site_).sign(advert_statement(context, advert)).value();
  return advert;
}

Shares LyingSite::shares(const crypto::Digest& context, const AdvertList& list, unsigned needed,
                         const crypto::SecretBytes& seed, const crypto::SecretBytes& shared_seed,
                         const crypto::SecretBytes& shared_key) const {
  const crypto::Digest cohort = cohort_context(context, list);
  const auto sites = static_cast<unsigned>(list.adverts.size());
  const auto self =
      static_cast<Rank>(std::ranges::find(list.adverts, Consortium::name(site_), &Advert::site) - list.adverts.begin());
  const auto seeds = split(shared_seed, needed, sites, random_).value();
  const auto keys = split(shared_key, needed, sites, random_).value();
  Shares shares;
  shares.seed = seed_commitment(cohort, self, seed.bytes());
  for (Rank to = 0; to < sites; ++to) {
    shares.commitments.push_back({share_commitment(cohort, ShareOf::kSeed, self, to, seeds[to].bytes()),
                                  share_commitment(cohort, ShareOf::kMaskKey, self, to, keys[to].bytes())});
    if (to == self) continue;
    std::vector<std::uint8_t> plain(seeds[to].bytes().begin(), seeds[to].bytes().end());
    plain.insert(plain.end(), keys[to].bytes().begin(), keys[to].bytes().end());
    const auto agreed = channel_.agree(list.adverts[to].channel_key).value();
    const auto key = box_key(agreed, cohort, self, to).value();
    const auto sealed = crypto::seal(key, {}, box_header(cohort, self, to), plain).value();
    std::ranges::copy(sealed, shares.boxes.emplace_back().begin());
  }
  return shares;
}

}  // namespace consilium::secagg
