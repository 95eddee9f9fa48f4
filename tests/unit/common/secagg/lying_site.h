#pragma once

#include <cstddef>

#include "common/crypto/sha256.h"
#include "common/crypto/x25519.h"
#include "common/secagg/messages.h"
#include "tests/unit/common/secagg/consortium.h"

namespace consilium::secagg {

/// A site that follows the protocol's form, but sends what a test wants. Its signatures and boxes are valid; its
/// secrets needn't be the ones that it advertised.
class LyingSite {
 public:
  LyingSite(const Consortium& consortium, std::size_t site, crypto::RandomSource& random);

  /// Signs its keys, unless another mask key is given.
  [[nodiscard]] Advert advert(const crypto::Digest& context) const;
  [[nodiscard]] Advert advert(const crypto::Digest& context, const crypto::X25519PublicKey& mask_key) const;
  /// Commits to `seed`, and shares `shared_seed` and `shared_key` among the adverts' sites. `needed` of these can
  /// rebuild them.
  [[nodiscard]] Shares shares(const crypto::Digest& context, const AdvertList& list, unsigned needed,
                              const crypto::SecretBytes& seed, const crypto::SecretBytes& shared_seed,
                              const crypto::SecretBytes& shared_key) const;
  [[nodiscard]] const crypto::SecretBytes& mask_key() const { return mask_.private_key(); }

 private:
  const Consortium& consortium_;
  std::size_t site_;
  crypto::RandomSource& random_;
  crypto::X25519KeyPair channel_, mask_;
};

/// Returns a secret of 32 bytes.
crypto::SecretBytes draw_secret(crypto::RandomSource& random);

}  // namespace consilium::secagg
