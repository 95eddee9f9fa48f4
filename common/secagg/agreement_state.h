#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "common/crypto/random_source.h"
#include "common/crypto/secret_bytes.h"
#include "common/crypto/sha256.h"
#include "common/crypto/x25519.h"
#include "common/error/error.h"
#include "common/secagg/agreement_checks.h"
#include "common/secagg/agreement_messages.h"

/// The states of a site in an agreement, each with the secrets that the site still needs in it, and their format in a
/// file while the agreement is pending.
namespace consilium::secagg {

/// The site has sent its box key.
struct AgreementAdvertised {
  crypto::X25519KeyPair box;
  crypto::SecretBytes seed;  ///< of own_number()
};
/// The site has sent its boxes and waits for the boxes of the others.
struct AgreementBoxesSent {
  crypto::X25519KeyPair box;
  crypto::SecretBytes number;
};
/// Some boxes didn't fit their commitments. The site waits for the numbers in them to be published.
struct AgreementComplained {
  std::vector<crypto::SecretBytes> numbers;  ///< by rank, including this site's own; empty if awaited
  std::vector<crypto::Digest> commitments;   ///< by rank
  std::vector<Rank> asked;                   ///< the sites whose numbers are awaited, ascending
};
/// The site has K. It keeps its own number, because others may still complain about its box.
struct AgreementReached {
  crypto::SecretBytes number;
  crypto::SecretBytes key;
};
struct AgreementLeft {
  std::string why;
};
using AgreementState =
    std::variant<AgreementAdvertised, AgreementBoxesSent, AgreementComplained, AgreementReached, AgreementLeft>;
[[nodiscard]] std::string_view name_of(const AgreementState& state);

/// Holds everything that a site keeps about an agreement, except the setup.
struct AgreementRecord {
  AgreementState state;
  AgreementAdvert advert;
  AgreementAdvertList list;                    ///< from AgreementBoxesSent on
  crypto::Digest request{};                    ///< SHA-256 of the last answered message
  std::optional<AgreementSiteMessage> answer;  ///< the answer to that message
};

/// Returns the digest that a saved state is bound to. A state of another job, try or site can't be opened under it.
[[nodiscard]] crypto::Digest setup_digest(const AgreementSetup& setup, const std::string& site);

/// Serialises a record. The public part is in the clear and the secrets are sealed by AES-256-GCM, which authenticates
/// both. The key is derived from `sealing_key` and 32 random bytes in the file, so it seals only once and the nonce may
/// be zero.
Result<std::vector<std::byte>> seal_record(const AgreementRecord& record, const crypto::SecretBytes& sealing_key,
                                           const crypto::Digest& setup, crypto::RandomSource& random);
/// Opens what seal_record() wrote under the same key and setup. Fails with kInvalidArgument if the bytes aren't a saved
/// state, and with kUnauthenticated if the key, the setup or any byte differs.
Result<AgreementRecord> open_record(std::span<const std::byte> saved, const crypto::SecretBytes& sealing_key,
                                    const crypto::Digest& setup);

}  // namespace consilium::secagg
