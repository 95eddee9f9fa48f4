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

/// The states of a site in an agreement, each with the secrets that the site still needs in it, and how they lie in a
/// file while the agreement waits.
namespace consilium::secagg {

/// The box key is out.
struct AgreementAdvertised {
  crypto::X25519KeyPair box;
  crypto::SecretBytes seed;  ///< of own_number()
};
/// The boxes are out; everybody else's are awaited.
struct AgreementBoxesSent {
  crypto::X25519KeyPair box;
  crypto::SecretBytes number;
};
/// Some boxes didn't fit; the numbers in them are awaited.
struct AgreementComplained {
  std::vector<crypto::SecretBytes> numbers;  ///< by rank, this site's among them; empty where one is awaited
  std::vector<crypto::Digest> commitments;   ///< by rank
  std::vector<Rank> asked;                   ///< whose numbers are awaited, ascending
};
/// K stands. The own number stays, because others may still complain of its box.
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

/// All that a site keeps of an agreement beside its setup.
struct AgreementRecord {
  AgreementState state;
  AgreementAdvert advert;
  AgreementAdvertList list;                    ///< from AgreementBoxesSent on
  crypto::Digest request{};                    ///< SHA-256 of the last message that was answered
  std::optional<AgreementSiteMessage> answer;  ///< to it
};

/// What a saved state is bound to: a state of another job, try or site doesn't open.
[[nodiscard]] crypto::Digest setup_digest(const AgreementSetup& setup, const std::string& site);

/// Writes a record: what everybody may know in the clear, the secrets sealed by AES-256-GCM, all of it authenticated.
/// The key is derived from `sealing_key` and 32 random bytes in the file, so it seals once and the nonce may be zero.
Result<std::vector<std::byte>> seal_record(const AgreementRecord& record, const crypto::SecretBytes& sealing_key,
                                           const crypto::Digest& setup, crypto::RandomSource& random);
/// Reads what seal_record() wrote under the same key and setup. kInvalidArgument where the bytes are no saved state,
/// kUnauthenticated where key, setup or a byte is another.
Result<AgreementRecord> open_record(std::span<const std::byte> saved, const crypto::SecretBytes& sealing_key,
                                    const crypto::Digest& setup);

}  // namespace consilium::secagg
